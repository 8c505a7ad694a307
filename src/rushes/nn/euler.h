// First-order solver of the flow ODE: x + velocity * (next sigma - sigma).
#pragma once
#include "rushes/nn/flow_match.h"
#include "rushes/nn/solver.h"

namespace rushes::nn {

class Euler final : public Solver {
 public:
  explicit Euler(const FlowMatchSchedule& schedule);
  Euler(int64_t steps, double shift) : Euler(FlowMatchSchedule({.shift = shift, .steps = steps})) {}
  std::unique_ptr<Solver> clone() const override { return std::make_unique<Euler>(*this); }

 protected:
  at::Tensor advance(const at::Tensor& velocity, const at::Tensor& sample) override;
};

}  // namespace rushes::nn
