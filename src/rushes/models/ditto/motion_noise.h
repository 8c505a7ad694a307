// The random numbers of a session's motion.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "rushes/tensor/random.h"

namespace rushes::ditto {

/// In the reference's order: first the noise that the steps add, which every window of the session uses again, then for
/// each window what it starts from. A copy continues alike.
class MotionNoise {
 public:
  /// Windows of `frames` frames of `width` numbers, sampled in `steps` steps.
  MotionNoise(uint64_t seed, int64_t steps, int64_t frames, int64_t width);
  /// Given numbers: steps - 1 tensors [1, T, N], and one for each window.
  MotionNoise(std::vector<at::Tensor> steps, std::deque<at::Tensor> starts);

  const std::vector<at::Tensor>& steps() const noexcept { return steps_; }
  /// Of the next window, [1, T, N] float32. Throws Error(invalid_argument) when given numbers are used up.
  at::Tensor next_start();

 private:
  std::optional<tensor::RandomStream> stream_;
  int64_t frames_ = 0, width_ = 0;
  std::vector<at::Tensor> steps_;
  std::deque<at::Tensor> starts_;
};

}  // namespace rushes::ditto
