// The operations of a transformer block between its products, as training wants them: each one pass forward and one
// backward, where libtorch's own operators take forty, which cost as much time as the products. The residual stream is
// float32; what goes into products has the dtype of product_dtype(). All are differentiable, on the CPU. Any thread.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rushes::training {

/// Layer norm, then times (plus_one ? 1 + scale : scale) plus shift.
///   x             [B, L, C] float32, contiguous, C a multiple of 8
///   shift, scale  [B, F, C] float32, each for L / F rows, or [1, 1, C] for all
/// Returns [B, L, C] of `dtype`.
at::Tensor norm_modulate(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, bool plus_one,
                         double eps, at::ScalarType dtype);

/// x + gate * y: x [B, L, C] float32, y [B, L, C] float32 or bfloat16, gate [B, F, C] float32. Returns like x.
at::Tensor add_gated_rows(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate);

/// gelu in its tanh form, float32 or bfloat16.
at::Tensor gelu_rows(const at::Tensor& x);

/// Cosines and signed sines of a rotary table [L, D / 2] complex, each [L, D] float32: x turned is
/// x cosine + (x with its pairs swapped) sine.
struct Rotary {
  at::Tensor cosine, sine;
};
Rotary rotary(const at::Tensor& table);

/// x [B, L, S C] cut into S sections of C; the first ones, as many as there are `norms` [C], are divided by their root
/// mean square over C, times the norm, and turned by `rotary` if it is defined. Each comes out as heads [B, N, L, D].
std::vector<at::Tensor> split_heads(const at::Tensor& x, const std::vector<at::Tensor>& norms, const Rotary& rotary,
                                    int64_t sections, int64_t heads, double eps);

}  // namespace rushes::training
