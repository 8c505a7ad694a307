// Draws training clips ahead of their use in a thread of its own.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <thread>

#include "rushes/base/channel.h"

namespace rushes::training {

/// Batches of consecutive indices of a deterministic source. The destructor stops the thread.
class Drawing {
 public:
  using Source = std::function<at::Tensor(uint64_t index)>;
  /// `threads` share the drawing of a batch; `source` must bear that.
  Drawing(Source source, uint64_t first, int64_t batch, int64_t threads = 1);
  /// [batch, ...] of the next indices.
  at::Tensor next_batch();

 private:
  base::Channel<at::Tensor> ready_{4};
  std::jthread thread_;  // last: joins before the channel goes
};

}  // namespace rushes::training
