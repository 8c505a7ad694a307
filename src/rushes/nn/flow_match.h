// The flow-matching noise schedule: tables, noise addition and the conversions between velocity and clean sample.
// x_t = (1 - sigma) x0 + sigma noise; velocity ("flow") = noise - x0; timestep = 1000 sigma.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rushes::nn {

struct FlowMatchOptions {
  double shift = 5.0;
  int64_t steps = 1000;            // entries of the table
  int64_t train_timesteps = 1000;  // timestep of sigma 1
  double sigma_max = 1.0, sigma_min = 0.0;
  bool extra_one_step = true;  // sigma_min is the end after the last entry, not the last entry
};

/// Tables and element-wise formulas. Immutable; any thread.
class FlowMatchSchedule {
 public:
  explicit FlowMatchSchedule(const FlowMatchOptions& options);

  /// float32 values, descending.
  const std::vector<double>& sigmas() const { return sigmas_; }
  const std::vector<double>& timesteps() const { return timesteps_; }
  /// Sigma of the table entry whose timestep is nearest, the first on a tie: so t = 0 gives the last entry, not 0.
  double sigma_at(double timestep) const;
  /// What the step list of a distilled model means on this table: entry train_timesteps - value; 0 stays 0.
  /// Throws Error(invalid_argument) if a value is outside 0..train_timesteps.
  std::vector<double> warp(const std::vector<double>& steps) const;

  /// (1 - sigma) x0 + sigma noise, computed in float32; dtype of `noise`.
  at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise, double timestep) const;
  /// xt - sigma * flow, computed in float64; dtype of `flow`.
  at::Tensor to_x0(const at::Tensor& flow, const at::Tensor& xt, double timestep) const;
  /// (xt - x0) / sigma, computed in float64; dtype of `x0`.
  at::Tensor to_flow(const at::Tensor& x0, const at::Tensor& xt, double timestep) const;

  /// Weight of the training loss per table entry: a bell around the middle timestep, mean 1.
  std::vector<double> training_weights() const;

 private:
  FlowMatchOptions options_;
  std::vector<double> sigmas_, timesteps_;
};

}  // namespace rushes::nn
