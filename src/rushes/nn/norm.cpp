#include "rushes/nn/norm.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

/// [B, L, C] seen as [B, F, L / F, C].
at::Tensor by_frame(const at::Tensor& x, const at::Tensor& per_frame) {
  const int64_t latent_frames = per_frame.size(1);
  require(x.size(1) % latent_frames == 0, ErrorCode::invalid_argument,
          "{} tokens cannot be shared among {} latent frames", x.size(1), latent_frames);
  return x.reshape({x.size(0), latent_frames, x.size(1) / latent_frames, x.size(2)});
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(at::mean(wide * wide, {-1}, /*keepdim=*/true) + eps);
  return (wide * scale).to(x.scalar_type()) * weight;
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, eps);
}

at::Tensor modulate(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  return at::addcmul(shift.unsqueeze(2), by_frame(x, scale), (scale + 1).unsqueeze(2)).reshape(x.sizes());
}

at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate) {
  return at::addcmul(by_frame(x, gate), by_frame(y, gate), gate.unsqueeze(2)).reshape(x.sizes());
}

}  // namespace rushes::nn
