// Many-step solvers of the flow ODE: from noise to a sample in `steps` model calls. One object solves one sample; it
// keeps the history that a multistep method needs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::nn {

/// The velocity is flow = noise - x0, at x = (1 - sigma) x0 + sigma noise. One thread at a time.
class Solver {
 public:
  virtual ~Solver() = default;
  int64_t steps() const { return static_cast<int64_t>(sigmas_.size()) - 1; }
  /// Steps done so far; step() may be called steps() times.
  int64_t done() const { return done_; }
  /// What the model is told at step `index`.
  double timestep(int64_t index) const { return timesteps_.at(static_cast<size_t>(index)); }
  /// steps() + 1 values, the last is 0; as float32 values, which is what the published samplers compute with.
  const std::vector<double>& sigmas() const { return sigmas_; }
  const std::vector<double>& timesteps() const { return timesteps_; }

  /// The sample after the next step, in the dtype of `sample` (keep that float32: late steps are small corrections).
  ///   velocity, sample   same shape
  at::Tensor step(const at::Tensor& velocity, const at::Tensor& sample);
  /// Copy that continues from here independently.
  virtual std::unique_ptr<Solver> clone() const = 0;

 protected:
  virtual at::Tensor advance(const at::Tensor& velocity, const at::Tensor& sample) = 0;

  std::vector<double> sigmas_, timesteps_;
  int64_t done_ = 0;
};

/// Names that make_solver() takes: unipc, dpm++, euler.
const std::vector<std::string>& solver_names();

/// Throws Error(invalid_argument) for an unknown name, steps < 1 or shift <= 0.
std::unique_ptr<Solver> make_solver(std::string_view name, int64_t steps, double shift);

/// Quantities of the half log signal-to-noise parametrisation that both multistep methods are written in
/// (arXiv:2211.01095, section 4): alpha = 1 - sigma, lambda = ln alpha - ln sigma. Infinite at sigma 0 and 1.
double half_log_snr(double sigma);

/// sigma' = shift * sigma / (1 + (shift - 1) * sigma): spends more steps at high noise (arXiv:2403.03206,
/// section 5.3.2).
double shift_sigma(double sigma, double shift);

}  // namespace rushes::nn
