// Convolutions as inference on a CPU is quickest.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::nn {

/// Over two or three space axes with stride 1; padding with zeros keeps the sides: x [B, in, (D,) H, W],
/// weight [out, in / groups, (kd,) kh, kw] with odd sides, bias [out] or undefined. Returns [B, out, (D,) H, W].
/// Differentiable where gradients are wanted. On CPUs by oneDNN whatever the size is: for small images and one thread
/// libtorch takes a slow path of its own. bfloat16 on CPUs without AVX512-BF16: products and sums in float32, one
/// rounding of the result.
at::Tensor same_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {}, int64_t groups = 1);

}  // namespace rushes::nn
