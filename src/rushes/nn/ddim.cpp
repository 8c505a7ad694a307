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
  const at::Tensor times =
      at::linspace(-1, timesteps - 1, steps + 1, at::TensorOptions(at::kFloat)).to(at::kLong).flip(0);
  const at::Tensor a = alphas_cumprod_.index_select(0, times.narrow(0, 0, steps));
  // One operator after the other, each rounded: `c` of the first step is what is left of 1 when nearly all has
  // cancelled, and a fused multiplication and addition leaves another number than the reference's. Some numbers of
  // steps make it negative. (The last step has no next time: its numbers are not looked at.)
  const at::Tensor b = alphas_cumprod_.index_select(0, times.narrow(0, 1, steps).clamp_min(0));
  const at::Tensor sigma = ((1 - a / b) * (1 - b) / (1 - a)).sqrt();
  const at::Tensor c = (1 - b - sigma.square()).clamp_min(0).sqrt();
  const at::Tensor noise_scale = (1 / a).sqrt(), noise_offset = (1 / a - 1).sqrt(), next_scale = b.sqrt();
  const auto at_step = [](const at::Tensor& row, int64_t i) { return row.const_data_ptr<float>()[i]; };
  for (int64_t i = 0; i < steps; ++i)
    steps_.push_back({.time = times.const_data_ptr<int64_t>()[i],
                      .next = times.const_data_ptr<int64_t>()[i + 1],
                      .noise_scale = at_step(noise_scale, i),
                      .noise_offset = at_step(noise_offset, i),
                      .next_scale = at_step(next_scale, i),
                      .c = at_step(c, i),
                      .sigma = at_step(sigma, i)});
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
