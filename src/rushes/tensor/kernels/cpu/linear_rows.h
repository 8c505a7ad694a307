// Linear layers for many rows with AVX-512: weights are read as they lie, x alone is packed. Libraries pack the weights
// in each call, and MKL's float32 products use AVX2 on AMD's processors (seen on an EPYC). Sums of a row are the same
// whatever rows it comes with and however many threads there are. Uses the intra-op threads of libtorch.
#pragma once
#include <cstdint>

#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

/// out = x W^T + bias, then gelu in its tanh form if asked for: x [rows, depth], W [columns, depth], bias [columns] or
/// null, out [rows, columns], all without padding. T is float or Bf16; sums are float32, and gelu sees them rounded to
/// T. depth is even for Bf16.
template <typename T>
struct LinearRows {
  int64_t rows, columns, depth;
  const T* x;
  const T* weight;
  const T* bias = nullptr;
  bool gelu = false;
  T* out;
};

/// Whether the processor has the instructions, and may use them (base/instruction_set.h), and the layer is of a size
/// that gains.
template <typename T>
bool linear_rows_gains(int64_t rows, int64_t columns, int64_t depth);

template <typename T>
void linear_rows(const LinearRows<T>& layer);

}  // namespace rushes::tensor::kernels
