// Attention inside the windows of a map (Swin transformer, arXiv:2103.14030), in place of rolling the map, cutting it
// and putting it together again.
#pragma once
#include <cstdint>

#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

/// Maps [B, side, side, heads, head_size], contiguous; window divides side. Windows begin `shift` cells after the
/// map's edge and wrap around it.
struct WindowShape {
  int64_t batch, side, window, shift, heads, head_size;
};

/// out = softmax(q k^T / sqrt(D) + bias) v inside each window. bias [heads, window^2, window^2] in float32. Cells that
/// share a window only because it wraps around the edge do not see each other: their scores get -100, as in the paper's
/// code. All in float32 arithmetic. out must not overlap the inputs. Uses the intra-op threads of libtorch.
template <typename T>
void window_attention(const WindowShape& shape, const T* q, const T* k, const T* v, const float* bias, T* out);

}  // namespace rushes::tensor::kernels
