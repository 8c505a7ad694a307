// The inner product of every float32 CPU kernel here: six rows times sixteen columns in twelve AVX2 registers.
#pragma once
#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

inline constexpr int64_t kRows = 6;  // of a micro tile: 12 accumulators, 2 operands of B, 2 broadcasts: 16 registers
inline constexpr int64_t kColumns = 16;

inline int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/// c[6][columns] (+)= a[6][depth] b[depth][columns]; a and c with row strides, b packed. `add`: into what c holds.
/// columns is 16, or 8 where a right operand has no more: half the work.
template <bool add, int64_t columns = kColumns>
inline void multiply_tile(int64_t depth, const float* a, int64_t a_stride, const float* b, float* c, int64_t c_stride) {
  constexpr int64_t kVectors = columns / kLanes;
  __m256 sum[kRows][kVectors];
#pragma GCC unroll 6
  for (int64_t row = 0; row < kRows; ++row)
#pragma GCC unroll 2
    for (int64_t i = 0; i < kVectors; ++i)
      sum[row][i] = add ? _mm256_loadu_ps(c + row * c_stride + i * kLanes) : _mm256_setzero_ps();
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k) {
    __m256 right[kVectors];
#pragma GCC unroll 2
    for (int64_t i = 0; i < kVectors; ++i) right[i] = _mm256_loadu_ps(b + k * columns + i * kLanes);
#pragma GCC unroll 6
    for (int64_t row = 0; row < kRows; ++row) {
      const __m256 value = _mm256_broadcast_ss(a + row * a_stride + k);
#pragma GCC unroll 2
      for (int64_t i = 0; i < kVectors; ++i) sum[row][i] = _mm256_fmadd_ps(value, right[i], sum[row][i]);
    }
  }
#pragma GCC unroll 6
  for (int64_t row = 0; row < kRows; ++row)
#pragma GCC unroll 2
    for (int64_t i = 0; i < kVectors; ++i) _mm256_storeu_ps(c + row * c_stride + i * kLanes, sum[row][i]);
}

/// Packs 16 rows of `depth` values (row i at from + i * stride; only `rows` of them exist, the others become 0) so that
/// they are the columns of a tile's right operand: to[depth][16].
template <typename T>
inline void pack_transposed(const T* from, int64_t stride, int64_t rows, int64_t depth, float* to) {
  for (int64_t half = 0; half < 2; ++half) {
    int64_t k = 0;
    if (rows >= (half + 1) * kLanes) {
      const T* base = from + half * kLanes * stride;
      for (; k + kLanes <= depth; k += kLanes) {
        __m256 r[kLanes], s[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) r[i] = load(base + i * stride + k);
        for (int64_t i = 0; i < kLanes; i += 2) {
          s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
          s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        }
        for (int64_t i = 0; i < kLanes; i += 4) {
          r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
          r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
          r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
          r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
        }
        for (int64_t i = 0; i < 4; ++i) {
          store(to + (k + i) * kColumns + half * kLanes, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
          store(to + (k + i + 4) * kColumns + half * kLanes, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
        }
      }
    }
    for (; k < depth; ++k)
      for (int64_t i = half * kLanes; i < (half + 1) * kLanes; ++i)
        to[k * kColumns + i] = i < rows ? widen(from[i * stride + k]) : 0.0f;
  }
}

}  // namespace rushes::tensor::kernels
