// DPM-Solver++ 2M (arXiv:2211.01095), midpoint form, data prediction, on a flow-matching schedule.
#pragma once
#include "rushes/nn/solver.h"

namespace rushes::nn {

class DpmSolverPlusPlus final : public Solver {
 public:
  DpmSolverPlusPlus(int64_t steps, double shift);
  std::unique_ptr<Solver> clone() const override { return std::make_unique<DpmSolverPlusPlus>(*this); }

 protected:
  at::Tensor advance(const at::Tensor& velocity, const at::Tensor& sample) override;

 private:
  at::Tensor x0_last_;
};

}  // namespace rushes::nn
