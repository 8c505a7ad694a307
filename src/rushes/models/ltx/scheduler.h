// The sampler's times: flow matching whose shift grows with the number of tokens, stretched so that the last sigma is
// shift_terminal, and Euler's step.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/ltx/config.h"

namespace rushes::ltx {

class Scheduler {
 public:
  /// For a clip of `tokens` tokens. mu grows with them in a straight line, also outside of the two lengths that the
  /// configuration names. Source: arXiv:2403.03206, section 5.3.2. Throws Error(invalid_argument) for less than one
  /// step, or less than two where the last sigma is fixed: that one cannot be 1 and shift_terminal.
  Scheduler(const SchedulerConfig& config, int64_t tokens, int64_t steps);

  int64_t steps() const { return static_cast<int64_t>(timesteps_.size()); }
  /// steps() + 1 float32 values from 1 down; the last is 0.
  const std::vector<float>& sigmas() const { return sigmas_; }
  /// 1000 sigma, without the last one.
  const std::vector<float>& timesteps() const { return timesteps_; }
  double sigma(int64_t step) const { return sigmas_.at(static_cast<std::size_t>(step)); }

  /// sample + (next sigma - sigma) velocity, in float32.
  at::Tensor step(int64_t index, const at::Tensor& velocity, const at::Tensor& sample) const;
  /// The clean sample that the velocity points to: sample - sigma velocity, in float32.
  at::Tensor clean(int64_t index, const at::Tensor& velocity, const at::Tensor& sample) const;

 private:
  std::vector<float> sigmas_, timesteps_;
};

/// The shift's exponent for `tokens` tokens.
double shift_exponent(const SchedulerConfig& config, int64_t tokens);

}  // namespace rushes::ltx
