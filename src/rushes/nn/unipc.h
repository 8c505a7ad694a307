// UniPC (arXiv:2302.04867), data prediction, B(h) = e^h - 1 ("bh2"), order 2, on a flow-matching schedule.
#pragma once
#include "rushes/nn/solver.h"

namespace rushes::nn {

class UniPc final : public Solver {
 public:
  UniPc(int64_t steps, double shift);
  std::unique_ptr<Solver> clone() const override { return std::make_unique<UniPc>(*this); }

 protected:
  at::Tensor advance(const at::Tensor& velocity, const at::Tensor& sample) override;

 private:
  at::Tensor correct(const at::Tensor& x0_now) const;
  at::Tensor predict(const at::Tensor& sample, int64_t order) const;

  at::Tensor x0_last_, x0_before_;  // model outputs of the last step and the one before it
  at::Tensor last_sample_;          // what the last prediction started from
  int64_t last_order_ = 0;
};

}  // namespace rushes::nn
