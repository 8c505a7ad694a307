// Rotary embedding of tokens in a row, in the layout that pairs the two halves of a head (LLaMA, GPT-NeoX), not
// neighbouring values.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::nn {

/// Cosines and sines for positions 0 .. length - 1, each [length, D] with the D / 2 angles twice:
/// angle[p, i] = p base^(-2 i / D). float32, as the published code computes them. Source: arXiv:2104.09864.
struct RopeHalves {
  RopeHalves(int64_t length, int64_t head_size, at::Device device, double base = 10000.0);
  at::Tensor cos, sin;
};

/// x [B, L, N, D] turned by the table's first L positions: x cos + [-x_high | x_low] sin. Returns the dtype of x.
at::Tensor rotate_halves(const at::Tensor& x, const RopeHalves& table);

/// x [B, L, N, D] turned by the angles of its tokens: cos, sin [B, L, D / 2] float32, contiguous. In float32. Returns
/// the dtype of x; x itself may be overwritten.
at::Tensor rotate_halves(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace rushes::nn
