#include "rushes/models/ltx/scheduler.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {

double shift_exponent(const SchedulerConfig& config, int64_t tokens) {
  const double slope = (config.max_shift - config.base_shift) /
                       static_cast<double>(config.max_image_seq_len - config.base_image_seq_len);
  return config.base_shift + slope * static_cast<double>(tokens - config.base_image_seq_len);
}

Scheduler::Scheduler(const SchedulerConfig& config, int64_t tokens, int64_t steps) {
  require(steps >= 1, ErrorCode::invalid_argument, "{} denoising steps: at least 1 is needed", steps);
  require(steps >= 2 || !config.shift_terminal, ErrorCode::invalid_argument,
          "1 denoising step: this model's schedule goes from 1 to {}, which takes at least 2", *config.shift_terminal);
  require(tokens >= 1, ErrorCode::invalid_argument, "a schedule for {} tokens", tokens);
  const double shift = config.use_dynamic_shifting ? std::exp(shift_exponent(config, tokens)) : config.shift;
  const auto shifted = [&](int64_t step) {
    const double last = 1.0 / static_cast<double>(steps);
    const double share = steps == 1 ? 0 : static_cast<double>(step) / static_cast<double>(steps - 1);
    const double sigma = 1.0 + share * (last - 1.0);
    return shift / (shift + 1.0 / sigma - 1.0);
  };
  const double stretch = config.shift_terminal ? (1.0 - shifted(steps - 1)) / (1.0 - *config.shift_terminal) : 1.0;
  for (int64_t step = 0; step < steps; ++step) {
    const auto sigma = static_cast<float>(1.0 - (1.0 - shifted(step)) / stretch);
    sigmas_.push_back(sigma);
    timesteps_.push_back(sigma * static_cast<float>(config.num_train_timesteps));
  }
  sigmas_.push_back(0);
}

at::Tensor Scheduler::step(int64_t index, const at::Tensor& velocity, const at::Tensor& sample) const {
  const float size = sigmas_.at(static_cast<std::size_t>(index) + 1) - sigmas_.at(static_cast<std::size_t>(index));
  return sample.to(at::kFloat) + velocity.to(at::kFloat) * double{size};
}

at::Tensor Scheduler::clean(int64_t index, const at::Tensor& velocity, const at::Tensor& sample) const {
  return sample.to(at::kFloat) - velocity.to(at::kFloat) * sigma(index);
}

}  // namespace rushes::ltx
