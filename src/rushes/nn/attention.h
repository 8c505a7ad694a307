// Scaled dot-product attention over heads: our own kernels where they are faster, libtorch's operator elsewhere.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::nn {

/// softmax(q k^T / sqrt(D)) v over all keys: q [B, L, N, D], k, v [B, M, N, D], any strides with D contiguous, float32
/// or bfloat16. Returns [B, L, N, D], contiguous where our kernels ran.
///   CPU, no gradients wanted: flash attention, in bfloat16 products on AVX512-BF16 CPUs if the inputs are bfloat16,
///   else in float32 arithmetic. Otherwise at::scaled_dot_product_attention.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

/// libtorch's operator in the same layout: the yardstick of tests and benchmarks.
at::Tensor stock_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace rushes::nn
