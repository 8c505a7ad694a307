// Linear layers of small models: float32, weights packed once. Each row's result is the same whatever rows it comes
// with, bit by bit, which general products do not promise: so rows of several requests may share a call.
#pragma once
#include <cstdint>

namespace rushes::tensor::kernels {

/// Floats that pack_narrow() writes for a weight [columns, depth].
int64_t packed_narrow_size(int64_t columns, int64_t depth);
/// weight [columns, depth], rows without padding, to panels of 16 columns.
void pack_narrow(const float* weight, int64_t columns, int64_t depth, float* packed);

/// out = x W^T + bias, then gelu in its tanh form if asked for: x [rows, depth], bias [columns], out [rows, columns].
/// Uses the intra-op threads of libtorch.
struct NarrowLinear {
  int64_t rows, columns, depth;
  const float* x;
  const float* packed;
  const float* bias;
  bool gelu = false;
  float* out;
};
void narrow_linear(const NarrowLinear& layer);

}  // namespace rushes::tensor::kernels
