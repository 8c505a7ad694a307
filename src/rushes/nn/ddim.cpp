#include "rushes/nn/ddim.h"

#include <ATen/ops/cumprod.h>

#include <cmath>
#include <numbers>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

at::Tensor cosine_alphas(int64_t timesteps, double offset) {
  const auto kept = [&](int64_t i) {
    const double position = (static_cast<double>(i) / static_cast<double>(timesteps) + offset) / (1 + offset);
    const double cosine = std::cos(position * std::numbers::pi / 2);
    return cosine * cosine;
  };
  at::Tensor alphas = at::empty({timesteps}, at::kFloat);
  for (int64_t i = 0; i < timesteps; ++i) {
    const double beta = std::clamp(1 - kept(i + 1) / kept(i), 0.0, 0.999);
    alphas.data_ptr<float>()[i] = 1.0f - static_cast<float>(beta);
  }
  return alphas;
}

}  // namespace

CosineDdim::CosineDdim(int64_t steps, int64_t timesteps, double offset) {
  require(steps >= 1 && steps <= timesteps, ErrorCode::invalid_argument, "sampling steps must be from 1 to {}, got {}",
          timesteps, steps);
  alphas_cumprod_ = at::cumprod(cosine_alphas(timesteps, offset), 0);
  // Evenly spread from the last time to -1, truncated.
  const at::Tensor spread = at::linspace(-1, timesteps - 1, steps + 1, at::TensorOptions(at::kFloat)).to(at::kInt);
  const auto* times = spread.const_data_ptr<int32_t>();
  const auto* alphas = alphas_cumprod_.const_data_ptr<float>();
  for (int64_t i = steps; i > 0; --i) {
    const float a = alphas[times[i]];
    Step step{.time = times[i],
              .next = times[i - 1],
              .noise_scale = std::sqrt(1.0f / a),
              .noise_offset = std::sqrt(1.0f / a - 1.0f),
              .next_scale = 1,
              .c = 0,
              .sigma = 0};
    if (step.next >= 0) {
      const float b = alphas[step.next];
      const float sigma = std::sqrt((1.0f - a / b) * (1.0f - b) / (1.0f - a));
      step.next_scale = std::sqrt(b);
      step.sigma = sigma;
      // Cancels for the first step, and falls below 0 for some numbers of steps.
      step.c = std::sqrt(std::max(1.0f - b - sigma * sigma, 0.0f));
    }
    steps_.push_back(step);
  }
}

at::Tensor CosineDdim::predicted_noise(const Step& step, const at::Tensor& sample, const at::Tensor& prediction) {
  return (sample * step.noise_scale - prediction) / step.noise_offset;
}

at::Tensor CosineDdim::advance(const Step& step, const at::Tensor& sample, const at::Tensor& prediction,
                               const at::Tensor& noise) {
  if (step.next < 0) return prediction;
  return prediction * step.next_scale + predicted_noise(step, sample, prediction) * step.c + noise * step.sigma;
}

}  // namespace rushes::nn
