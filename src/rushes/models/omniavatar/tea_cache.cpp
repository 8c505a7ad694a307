#include "rushes/models/omniavatar/tea_cache.h"

#include <utility>

#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

/// From the relative change of the modulation to that of the result: the published fit for text-to-video 14B, which is
/// used for 1.3B too. Highest power first.
constexpr double kFit[] = {-3.03318725e+05, 4.90537029e+04, -2.65530556e+03, 5.87365115e+01, -3.15583525e-01};

double estimate(double relative_change) {
  double sum = 0;
  for (const double coefficient : kFit) sum = sum * relative_change + coefficient;
  return sum;
}

}  // namespace

bool TeaCache::skips(const at::Tensor& modulation) {
  const at::Tensor before = std::exchange(previous_, modulation.clone());
  const int64_t step = step_++;
  if (step == 0 || step == steps_ - 1) {
    change_ = 0;
    return false;
  }
  change_ += estimate(((modulation - before).abs().mean() / before.abs().mean()).item<double>());
  if (change_ < threshold_) return true;
  change_ = 0;
  return false;
}

}  // namespace rushes::omniavatar
