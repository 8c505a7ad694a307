#include "rushes/training/drawing.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/parallel.h"

namespace rushes::training {

Drawing::Drawing(Source source, uint64_t first, int64_t batch, int64_t threads)
    : thread_([this, source = std::move(source), first, batch, threads](std::stop_token stop) {
        for (uint64_t index = first; !stop.stop_requested();) {
          std::vector<at::Tensor> clips(static_cast<std::size_t>(batch));
          in_parallel(std::min(threads, batch), [&](int64_t part) {
            for (int64_t i = part; i < batch; i += std::min(threads, batch))
              clips[static_cast<std::size_t>(i)] = source(index + static_cast<uint64_t>(i));
          });
          index += static_cast<uint64_t>(batch);
          if (!ready_.send(at::stack(clips), stop)) return;
        }
      }) {}

at::Tensor Drawing::next_batch() {
  auto batch = ready_.receive();
  RUSHES_ASSERT(batch.has_value());
  return std::move(*batch);
}

}  // namespace rushes::training
