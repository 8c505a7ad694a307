// Normalisations and modulation of transformer blocks: correct everywhere and differentiable; on CPUs without gradients
// the norms are one pass. The fused inference kernels (tensor/kernels) compute the same.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::nn {

/// x / sqrt(mean(x^2) + eps) * weight over the last axis: x [..., C], weight [C]. The mean is taken in float32 and the
/// quotient is cast to the dtype of x before the weight (spec of Wan's q and k norms). Returns the dtype of x.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// (x - mean) / sqrt(var + eps) over the last axis, times weight plus bias where given ([C], or undefined).
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);

/// x (1 + scale) + shift with one shift and scale per latent frame: x [B, L, C], shift and scale [B, F, C],
/// L = F * tokens. F = 1 modulates all tokens alike. Returns [B, L, C].
at::Tensor modulate(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale);

/// x + y * gate, gate [B, F, C] as in modulate().
at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate);

}  // namespace rushes::nn
