// Memory that a transformer's forward pass takes.
#pragma once
#include <c10/core/ScalarType.h>

#include <cstdint>

namespace rushes::nn {

/// Activations of a pass over `tokens` of all samples, about: residual stream, its norm, queries, keys, values, what
/// attention yields, twice as many where one operator follows another, and the wide layer.
inline int64_t pass_bytes(int64_t tokens, int64_t dim, int64_t ffn_dim, at::ScalarType dtype) {
  return tokens * (8 * dim + 2 * ffn_dim) * static_cast<int64_t>(c10::elementSize(dtype));
}

}  // namespace rushes::nn
