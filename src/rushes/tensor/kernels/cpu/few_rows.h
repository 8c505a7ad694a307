// Linear layers for few rows, as one token of a language model is: each weight is read once, in the order in which it
// lies, so that the speed is that of the memory. T is the storage, float or Bf16; arithmetic is float32. Sums of a row
// are the same whatever rows it comes with. Uses the intra-op threads of libtorch.
#pragma once
#include <cstdint>
#include <span>

#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

inline constexpr int64_t kFewRows = 4;

/// out = x W^T + bias: W [columns, depth] without padding, bias [columns] or null, out [rows, columns].
template <typename T>
struct FewRowsLayer {
  int64_t columns;
  const T* weight;
  const T* bias;
  T* out;
};

/// All layers for one x [rows, depth], rows <= kFewRows.
template <typename T>
void few_rows_linear(int64_t rows, int64_t depth, const T* x, std::span<const FewRowsLayer<T>> layers);

/// out = silu(x G^T + g) (x U^T + u), both [columns, depth]; the `out` of the second layer is not used.
template <typename T>
void few_rows_gated(int64_t rows, int64_t depth, const T* x, const FewRowsLayer<T>& gate, const FewRowsLayer<T>& up);

/// out = silu(gate) up, n values; out may be either of them.
template <typename T>
void silu_product(int64_t n, const T* gate, const T* up, T* out);

}  // namespace rushes::tensor::kernels
