#include "rushes/training/update.h"

#include <vector>

#include "rushes/tensor/ops.h"
#include "rushes/training/parallel.h"

namespace rushes::training {

Update update(Optimiser& optimiser, int64_t parts, const Run& run, const std::function<at::Tensor(int64_t)>& loss) {
  std::vector<double> losses(static_cast<std::size_t>(parts));
  in_parallel(parts, [&](int64_t part) {
    const at::Tensor own = loss(part);
    (own / static_cast<double>(parts)).backward();
    losses[static_cast<std::size_t>(part)] = own.item<double>();
  });
  return {mean_of(losses), optimiser.step(run.schedule())};
}

}  // namespace rushes::training
