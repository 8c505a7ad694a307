// The cosine schedule of noise, and the steps back along it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rushes::nn {

/// Cosine schedule (arXiv:2102.09672, section 3.2) with denoising steps that add noise again (DDIM, arXiv:2010.02502,
/// equation 12, eta 1): times, and the numbers of each step, in float32 as the reference has them.
class CosineDdim {
 public:
  /// `steps` from 1 to `timesteps`. Throws Error(invalid_argument).
  explicit CosineDdim(int64_t steps, int64_t timesteps = 1000, double offset = 0.008);

  struct Step {
    int64_t time;                 // of the sample
    int64_t next;                 // -1: the prediction without noise is the result
    double noise_scale;           // sqrt(1 / a)
    double noise_offset;          // sqrt(1 / a - 1)
    double next_scale, c, sigma;  // of the next sample: prediction, predicted noise, fresh noise
  };
  const std::vector<Step>& steps() const noexcept { return steps_; }
  /// The cumulative product a of 1 - beta: [timesteps] float32.
  const at::Tensor& alphas_cumprod() const noexcept { return alphas_cumprod_; }

  /// (sample sqrt(1 / a) - prediction) / sqrt(1 / a - 1).
  static at::Tensor predicted_noise(const Step& step, const at::Tensor& sample, const at::Tensor& prediction);
  /// The next sample. `noise` is of its shape; not looked at in the last step.
  static at::Tensor advance(const Step& step, const at::Tensor& sample, const at::Tensor& prediction,
                            const at::Tensor& noise);

 private:
  at::Tensor alphas_cumprod_;
  std::vector<Step> steps_;
};

}  // namespace rushes::nn
