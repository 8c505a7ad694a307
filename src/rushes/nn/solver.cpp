#include "rushes/nn/solver.h"

#include <fmt/ranges.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/dpmpp.h"
#include "rushes/nn/euler.h"
#include "rushes/nn/unipc.h"

namespace rushes::nn {

at::Tensor Solver::step(const at::Tensor& velocity, const at::Tensor& sample) {
  RUSHES_ASSERT(done_ < steps());
  at::Tensor next = advance(velocity, sample);
  ++done_;
  return next;
}

const std::vector<std::string>& solver_names() {
  static const std::vector<std::string> names{"unipc", "dpm++", "euler"};
  return names;
}

std::unique_ptr<Solver> make_solver(std::string_view name, int64_t steps, double shift) {
  require(steps >= 1, ErrorCode::invalid_argument, "steps must be at least 1 (got {})", steps);
  require(shift > 0, ErrorCode::invalid_argument, "timestep_shift must be greater than 0 (got {})", shift);
  if (name == "unipc") return std::make_unique<UniPc>(steps, shift);
  if (name == "dpm++") return std::make_unique<DpmSolverPlusPlus>(steps, shift);
  if (name == "euler") return std::make_unique<Euler>(steps, shift);
  fail(ErrorCode::invalid_argument, "solver must be one of {} (got '{}')", fmt::join(solver_names(), ", "), name);
}

double half_log_snr(double sigma) { return std::log(1.0 - sigma) - std::log(sigma); }

double shift_sigma(double sigma, double shift) { return shift * sigma / (1.0 + (shift - 1.0) * sigma); }

}  // namespace rushes::nn
