#include "rushes/nn/euler.h"

#include "rushes/tensor/ops.h"

namespace rushes::nn {

Euler::Euler(const FlowMatchSchedule& schedule) {
  sigmas_ = schedule.sigmas();
  timesteps_ = schedule.timesteps();
  sigmas_.push_back(0.0);
}

at::Tensor Euler::advance(const at::Tensor& velocity, const at::Tensor& sample) {
  const auto i = static_cast<size_t>(done());
  return sample + velocity.to(sample.scalar_type()) * (sigmas_[i + 1] - sigmas_[i]);
}

}  // namespace rushes::nn
