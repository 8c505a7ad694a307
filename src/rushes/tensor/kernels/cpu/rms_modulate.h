// Norm by the root mean square with what stands before and after it in a network, one pass over memory. T is the
// storage, float or Bf16; arithmetic is float32. Uses the intra-op threads of libtorch. Widths C need not be multiples
// of anything.
#pragma once
#include <cstdint>

#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

/// x += y * gate (where y is given), then out = x / sqrt(mean(x^2) + eps) * scale + shift over each row of C values,
/// then SiLU if asked for. gate, scale and shift change every `rows_per_group` rows by their stride in elements; stride
/// 0: the same for all.
template <typename T>
struct RmsModulate {
  int64_t rows, width;
  int64_t rows_per_group = 1;
  T* x;                         // [rows, C], written where y is given
  const T* y = nullptr;         // [rows, C]
  const float* gate = nullptr;  // null: 1
  int64_t gate_stride = 0;
  T* out = nullptr;              // [rows, C], may be x; null: no norm
  const float* scale = nullptr;  // null: 1, and shift 0
  const float* shift = nullptr;
  int64_t norm_stride = 0;
  bool silu = false;
  float eps;
};
template <typename T>
void rms_modulate(const RmsModulate<T>& pass);

}  // namespace rushes::tensor::kernels
