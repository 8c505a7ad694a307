// The inner product of every float32 CPU kernel here: six rows times sixteen columns in twelve AVX2 registers.
#pragma once
#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

inline constexpr int64_t kRows = 6;  // of a micro tile: 12 accumulators, 2 operands of B, 2 broadcasts: 16 registers
inline constexpr int64_t kColumns = 16;

/// c[6][16] (+)= a[6][depth] b[depth][16]; a and c with row strides, b packed. `add`: into what c holds.
template <bool add>
inline void multiply_tile(int64_t depth, const float* a, int64_t a_stride, const float* b, float* c, int64_t c_stride) {
  __m256 sum[kRows][2];
#pragma GCC unroll 6
  for (int64_t row = 0; row < kRows; ++row) {
    sum[row][0] = add ? _mm256_loadu_ps(c + row * c_stride) : _mm256_setzero_ps();
    sum[row][1] = add ? _mm256_loadu_ps(c + row * c_stride + kLanes) : _mm256_setzero_ps();
  }
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k) {
    const __m256 left = _mm256_loadu_ps(b + k * kColumns), right = _mm256_loadu_ps(b + k * kColumns + kLanes);
#pragma GCC unroll 6
    for (int64_t row = 0; row < kRows; ++row) {
      const __m256 value = _mm256_broadcast_ss(a + row * a_stride + k);
      sum[row][0] = _mm256_fmadd_ps(value, left, sum[row][0]);
      sum[row][1] = _mm256_fmadd_ps(value, right, sum[row][1]);
    }
  }
#pragma GCC unroll 6
  for (int64_t row = 0; row < kRows; ++row) {
    _mm256_storeu_ps(c + row * c_stride, sum[row][0]);
    _mm256_storeu_ps(c + row * c_stride + kLanes, sum[row][1]);
  }
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
