// What stands between the matrix products of a transformer block, one pass over memory each. T is the storage, float or
// Bf16; arithmetic is float32. All use the intra-op threads of libtorch. Widths C need not be multiples of anything.
#pragma once
#include <cstdint>

#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

/// x += y * gate (where y is given), x += addition (where given), then out = (x - mean) / sqrt(var + eps) * scale +
/// shift over each row of C values. gate, scale and shift change every `rows_per_frame` rows by their stride in
/// elements; stride 0: the same for all. The addition changes every `rows_per_addition` rows.
template <typename T>
struct ResidualNorm {
  int64_t rows, width, rows_per_frame;
  T* x;                         // [rows, C], updated where y or an addition is given
  const T* y = nullptr;         // [rows, C]
  const float* gate = nullptr;  // null: 1
  int64_t gate_stride = 0;
  const float* addition = nullptr;  // [rows / rows_per_addition, C]
  int64_t rows_per_addition = 1;
  const float* scale = nullptr;
  const float* shift = nullptr;
  int64_t norm_stride = 0;
  T* out;  // [rows, C]
  float eps;
};
template <typename T>
void residual_norm(const ResidualNorm<T>& pass);

/// In place: x / sqrt(mean(x^2) + eps) * weight over each row of C values, then, where a table is given, each head's
/// interleaved pairs (a, b) turned to (a cos - b sin, a sin + b cos).
template <typename T>
struct RmsRope {
  int64_t rows, width, row_stride;  // C = heads * head_size values of each row, row_stride apart
  int64_t head_size;
  T* x;
  const float* weight;             // [C]
  const float* cosines = nullptr;  // [tokens, head_size], each value twice; null: no rotation
  const float* sines = nullptr;    // [tokens, head_size]: -sin, sin
  int64_t tokens = 1;              // row r stands at token r % tokens
  float eps;
};
template <typename T>
void rms_rope(const RmsRope<T>& pass);

enum class Activation { none, gelu_tanh };

/// out = activation(in + bias): in [rows, C] float32, bias [C] or null, out [rows, C] of T. in may be out.
template <typename T>
void bias_activation(int64_t rows, int64_t width, const float* in, const float* bias, Activation activation, T* out);

/// x = gelu(x) in its tanh form, n values in place.
template <typename T>
void gelu_tanh_in_place(int64_t n, T* x);

}  // namespace rushes::tensor::kernels
