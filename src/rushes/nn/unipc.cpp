#include "rushes/nn/unipc.h"

#include <algorithm>
#include <cmath>

#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

// 1 - 1/1000 as the published tables hold it: in float32. It decides where a timestep is cut to an integer.
constexpr double kSigmaMax = static_cast<double>(1.0f - 0.001f);

/// What both formulas need to go from sigma `from` to sigma `to`.
struct Interval {
  double ratio, alpha, h, phi;  // sigma_to / sigma_from, alpha_to, lambda_to - lambda_from, expm1(-h)
  Interval(double from, double to)
      : ratio(to / from), alpha(1.0 - to), h(half_log_snr(to) - half_log_snr(from)), phi(std::expm1(-h)) {}
};

/// Weights of the two differences in the second-order corrector: R rho = b with R = [[1, 1], [r, 1]].
std::pair<double, double> corrector_weights(double r, const Interval& step) {
  const double hh = -step.h;
  const double phi_2 = step.phi / hh - 1.0;
  const double phi_3 = phi_2 / hh - 0.5;
  const double b1 = phi_2 / step.phi, b2 = 2.0 * phi_3 / step.phi;
  const double rho_1 = (b1 - b2) / (1.0 - r);
  return {rho_1, b1 - rho_1};
}

}  // namespace

UniPc::UniPc(int64_t steps, double shift) {
  for (int64_t i = 0; i < steps; ++i) {
    const double raw = kSigmaMax * (1.0 - static_cast<double>(i) / static_cast<double>(steps));
    const double sigma = shift_sigma(raw, shift);
    timesteps_.push_back(std::trunc(1000.0 * sigma));
    sigmas_.push_back(static_cast<double>(static_cast<float>(sigma)));
  }
  sigmas_.push_back(0.0);
}

at::Tensor UniPc::advance(const at::Tensor& velocity, const at::Tensor& sample) {
  const at::Tensor x0 = sample - velocity.to(sample.scalar_type()) * sigmas_[static_cast<size_t>(done())];
  const at::Tensor corrected = done() > 0 ? correct(x0) : sample;
  x0_before_ = x0_last_;
  x0_last_ = x0;
  last_sample_ = corrected;
  last_order_ = std::min({int64_t{2}, steps() - done(), done() + 1});
  return predict(corrected, last_order_);
}

at::Tensor UniPc::correct(const at::Tensor& x0_now) const {
  const auto i = static_cast<size_t>(done());
  const Interval step(sigmas_[i - 1], sigmas_[i]);
  at::Tensor correction = 0.5 * (x0_now - x0_last_);
  if (last_order_ == 2) {
    const double r = (half_log_snr(sigmas_[i - 2]) - half_log_snr(sigmas_[i - 1])) / step.h;
    const auto [rho_before, rho_now] = corrector_weights(r, step);
    correction = (x0_before_ - x0_last_) * (rho_before / r) + (x0_now - x0_last_) * rho_now;
  }
  return last_sample_ * step.ratio - (x0_last_ + correction) * (step.alpha * step.phi);
}

at::Tensor UniPc::predict(const at::Tensor& sample, int64_t order) const {
  const auto i = static_cast<size_t>(done());
  const Interval step(sigmas_[i], sigmas_[i + 1]);
  at::Tensor x0 = x0_last_;
  if (order == 2) {
    const double r = (half_log_snr(sigmas_[i - 1]) - half_log_snr(sigmas_[i])) / step.h;
    x0 = x0 + (x0_before_ - x0_last_) * (0.5 / r);
  }
  return sample * step.ratio - x0 * (step.alpha * step.phi);
}

}  // namespace rushes::nn
