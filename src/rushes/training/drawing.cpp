#include "rushes/training/drawing.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {

Drawing::Drawing(Source source, uint64_t first, int64_t batch)
    : thread_([this, source = std::move(source), first, batch](std::stop_token stop) {
        for (uint64_t index = first; !stop.stop_requested();) {
          std::vector<at::Tensor> clips;
          for (int64_t i = 0; i < batch; ++i) clips.push_back(source(index++));
          if (!ready_.send(at::stack(clips), stop)) return;
        }
      }) {}

at::Tensor Drawing::next_batch() {
  auto batch = ready_.receive();
  RUSHES_ASSERT(batch.has_value());
  return std::move(*batch);
}

}  // namespace rushes::training
