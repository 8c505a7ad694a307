#include "rushes/nn/dpmpp.h"

#include <cmath>

#include "rushes/tensor/ops.h"

namespace rushes::nn {

DpmSolverPlusPlus::DpmSolverPlusPlus(int64_t steps, double shift) {
  for (int64_t i = 0; i < steps; ++i) {
    const double sigma = shift_sigma(1.0 - static_cast<double>(i) / static_cast<double>(steps), shift);
    timesteps_.push_back(std::trunc(1000.0 * sigma));
    sigmas_.push_back(static_cast<double>(static_cast<float>(sigma)));
  }
  sigmas_.push_back(0.0);
}

at::Tensor DpmSolverPlusPlus::advance(const at::Tensor& velocity, const at::Tensor& sample) {
  const auto i = static_cast<size_t>(done());
  const double now = sigmas_[i], next = sigmas_[i + 1];
  const at::Tensor x0 = sample - velocity.to(sample.scalar_type()) * now;
  // At sigma 1 lambda is -inf, so h is inf and exp(-h) 0: all terms below stay finite because alpha and the ratio of
  // sigmas are written without lambda. At sigma 0 the same holds from the other end.
  const double h = half_log_snr(next) - half_log_snr(now);
  at::Tensor slope = x0;
  // The second step's r0 would be inf / h when the first sigma is 1: then the difference has no weight.
  if (i > 0 && done() + 1 < steps()) {
    const double r0 = (half_log_snr(now) - half_log_snr(sigmas_[i - 1])) / h;
    slope = x0 + (x0 - x0_last_) * (0.5 / r0);
  }
  x0_last_ = x0;
  return sample * (next / now) - slope * ((1.0 - next) * std::expm1(-h));
}

}  // namespace rushes::nn
