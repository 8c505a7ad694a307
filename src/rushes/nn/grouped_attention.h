// Causal attention whose query heads share keys and values in groups (arXiv:2305.13245), over tokens read before.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::nn {

/// q [B, L, N, D], k, v [B, M, G, D] with M >= L and N a multiple of G, any strides with D contiguous: query i sees the
/// keys up to M - L + i, head n those of group n / (N / G). Scale 1 / sqrt(D), softmax in float32. Returns
/// [B, L, N, D]. One query on the CPU without gradients by our kernel, else by libtorch's operator (in float32 where
/// the processor has no bfloat16 products). Throws Error(invalid_argument) for other shapes.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace rushes::nn
