#include "rushes/nn/flow_match.h"

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {

FlowMatchSchedule::FlowMatchSchedule(const FlowMatchOptions& options) : options_(options) {
  require(options.steps >= 1, ErrorCode::invalid_argument, "steps must be at least 1 (got {})", options.steps);
  require(options.shift > 0, ErrorCode::invalid_argument, "timestep_shift must be greater than 0 (got {})",
          options.shift);
  // In float32 like the published tables: a look-up by timestep must meet the same entries.
  const int64_t points = options.steps + (options.extra_one_step ? 1 : 0);
  const at::Tensor raw =
      at::linspace(options.sigma_max, options.sigma_min, points, at::kFloat).narrow(0, 0, options.steps);
  const at::Tensor sigmas = (raw * options.shift / (1.0 + raw * (options.shift - 1.0))).contiguous();
  const at::Tensor timesteps = (sigmas * static_cast<double>(options.train_timesteps)).contiguous();
  sigmas_.assign(sigmas.const_data_ptr<float>(), sigmas.const_data_ptr<float>() + options.steps);
  timesteps_.assign(timesteps.const_data_ptr<float>(), timesteps.const_data_ptr<float>() + options.steps);
}

double FlowMatchSchedule::sigma_at(double timestep) const {
  const auto distance = [&](double entry) { return std::abs(entry - timestep); };
  const auto nearest = std::min_element(timesteps_.begin(), timesteps_.end(),
                                        [&](double a, double b) { return distance(a) < distance(b); });
  return sigmas_[static_cast<size_t>(nearest - timesteps_.begin())];
}

std::vector<double> FlowMatchSchedule::warp(const std::vector<double>& steps) const {
  std::vector<double> warped;
  const auto end = static_cast<double>(options_.train_timesteps);
  for (const double step : steps) {
    require(step >= 0 && step <= end, ErrorCode::invalid_argument,
            "denoising_step_list must have values from 0 to {} (got {})", options_.train_timesteps, step);
    const auto index = static_cast<size_t>(end - step);
    warped.push_back(index < timesteps_.size() ? timesteps_[index] : 0.0);
  }
  return warped;
}

at::Tensor FlowMatchSchedule::add_noise(const at::Tensor& x0, const at::Tensor& noise, double timestep) const {
  const double sigma = sigma_at(timestep);
  return (x0.to(at::kFloat) * (1.0 - sigma) + noise.to(at::kFloat) * sigma).to(noise.scalar_type());
}

at::Tensor FlowMatchSchedule::to_x0(const at::Tensor& flow, const at::Tensor& xt, double timestep) const {
  return (xt.to(at::kDouble) - flow.to(at::kDouble) * sigma_at(timestep)).to(flow.scalar_type());
}

at::Tensor FlowMatchSchedule::to_flow(const at::Tensor& x0, const at::Tensor& xt, double timestep) const {
  return ((xt.to(at::kDouble) - x0.to(at::kDouble)) / sigma_at(timestep)).to(x0.scalar_type());
}

std::vector<double> FlowMatchSchedule::training_weights() const {
  const auto n = static_cast<double>(options_.steps);
  std::vector<double> weights;
  for (const double t : timesteps_) weights.push_back(std::exp(-2.0 * std::pow((t - n / 2) / n, 2)));
  const double least = *std::min_element(weights.begin(), weights.end());
  double sum = 0;
  for (double& weight : weights) sum += weight -= least;
  for (double& weight : weights) weight *= n / sum;
  return weights;
}

}  // namespace rushes::nn
