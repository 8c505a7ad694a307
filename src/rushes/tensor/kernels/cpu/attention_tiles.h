// What the attention kernels share: keys and values packed for multiply_tile, and the softmax of a row of scores.
#pragma once
#include "rushes/tensor/kernels/cpu/micro_gemm.h"

namespace rushes::tensor::kernels {

/// Rows of other heads lie between those of one head, too far apart for the hardware's own prefetching. A prefetch
/// beyond the last row is harmless.
template <typename T>
inline void prefetch_row(const T* row, int64_t depth) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t d = 0; d < depth; d += kLine) _mm_prefetch(reinterpret_cast<const char*>(row + d), _MM_HINT_T0);
}

/// Keys, row i at from + i * stride, as right operands of q k^T: to[ceil(keys / 16)][depth][16], zeros at the end.
template <typename T>
inline void pack_keys(const T* from, int64_t stride, int64_t keys, int64_t depth, float* to) {
  for (int64_t i = 0; i < keys; i += kColumns) {
    for (int64_t next = 0; next < kColumns; ++next) prefetch_row(from + (i + kColumns + next) * stride, depth);
    pack_transposed(from + i * stride, stride, std::min(kColumns, keys - i), depth, to + i * depth);
  }
}

/// Columns of a tile of packed values: narrow heads have but one register of them.
inline int64_t value_columns(int64_t depth) { return depth <= kLanes ? kLanes : kColumns; }
inline int64_t value_width(int64_t depth) { return round_up(depth, value_columns(depth)); }

/// Values, row i at from + i * stride, as right operands of p v: to[value_width / columns][capacity][columns], of which
/// the first `rows` of `capacity` are written; zeros beyond the depth.
template <typename T>
inline void pack_values(const T* from, int64_t stride, int64_t rows, int64_t depth, int64_t capacity, float* to) {
  constexpr int64_t kAhead = 8;  // rows between a prefetch and its use
  const int64_t columns = value_columns(depth), width = value_width(depth);
  for (int64_t i = 0; i < rows; ++i) {
    const T* row = from + i * stride;
    prefetch_row(row + kAhead * stride, depth);
    for (int64_t d = 0; d < width; d += kLanes) {
      float* lanes = to + (d / columns * capacity + i) * columns + d % columns;
      if (d + kLanes <= depth) {
        store(lanes, load(row + d));
      } else {
        for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] = d + lane < depth ? widen(row[d + lane]) : 0.0f;
      }
    }
  }
}

/// sums[6][width] (+)= p[6][rows] values[rows][depth], values as pack_values() left them.
template <bool add>
inline void weigh_values(int64_t rows, const float* p, int64_t p_stride, const float* values, int64_t depth,
                         int64_t capacity, float* sums) {
  const int64_t width = value_width(depth);
  if (width == kLanes) {
    multiply_tile<add, kLanes>(rows, p, p_stride, values, sums, width);
    return;
  }
  for (int64_t d = 0; d < width; d += kColumns)
    multiply_tile<add>(rows, p, p_stride, values + d * capacity, sums + d, width);
}

/// One row of queries times `factor`.
template <typename T>
inline void load_query(const T* from, int64_t depth, float factor, float* to) {
  for (int64_t d = 0; d < depth; ++d) to[d] = widen(from[d]) * factor;
}

/// The largest of `padded` scores, a multiple of 16; those from `keys` on become minus infinity first.
inline float largest_score(float* scores, int64_t keys, int64_t padded) {
  for (int64_t i = keys; i < padded; ++i) scores[i] = -INFINITY;
  __m256 largest = load(scores), second = load(scores + kLanes);
  for (int64_t i = kColumns; i < padded; i += kColumns) {
    largest = _mm256_max_ps(largest, load(scores + i));
    second = _mm256_max_ps(second, load(scores + i + kLanes));
  }
  return max_lanes(_mm256_max_ps(largest, second));
}

/// scores = 2^(scores - top), `padded` of them in place. Returns their sum.
inline float powers_of_scores(float* scores, int64_t padded, float top) {
  const __m256 shift = _mm256_set1_ps(top);
  __m256 total = _mm256_setzero_ps(), other = _mm256_setzero_ps();
  for (int64_t i = 0; i < padded; i += kColumns) {
    const __m256 a = exp2(_mm256_sub_ps(load(scores + i), shift));
    const __m256 b = exp2(_mm256_sub_ps(load(scores + i + kLanes), shift));
    store(scores + i, a);
    store(scores + i + kLanes, b);
    total = _mm256_add_ps(total, a);
    other = _mm256_add_ps(other, b);
  }
  return sum_lanes(_mm256_add_ps(total, other));
}

/// to = from * factor, `depth` values.
template <typename T>
inline void store_scaled(T* to, const float* from, int64_t depth, float factor) {
  int64_t d = 0;
  for (; d + kLanes <= depth; d += kLanes) store(to + d, _mm256_mul_ps(load(from + d), _mm256_set1_ps(factor)));
  for (; d < depth; ++d) to[d] = narrow<T>(from[d] * factor);
}

}  // namespace rushes::tensor::kernels
