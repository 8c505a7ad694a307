#include "rushes/tensor/kernels/cpu/few_rows.h"

#include <algorithm>
#include <vector>

#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kStep = 16;            // values of a row at a time
constexpr int64_t kTaskBytes = 1 << 17;  // of weights: less is not worth another thread

/// 16 values. Of bfloat16 those at even places and those at odd ones: a shift and a mask of 32-bit lanes.
struct Pair {
  __m256 low, high;
};

inline Pair load_step(const float* w) { return {_mm256_loadu_ps(w), _mm256_loadu_ps(w + kLanes)}; }
inline Pair load_step(const Bf16* w) {
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(both, 16)),
          _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(static_cast<int32_t>(0xffff0000))))};
}

/// Rows of weights that share what is loaded of x: as many as the registers hold sums for.
template <int rows>
inline constexpr int kSideBySide = rows == 1   ? 4
                                   : rows == 2 ? 2
                                               : 1;

/// Products of `streams` rows of weights with each of `rows` rows of x. What is summed in which order does not depend
/// on either number. No prefetching by hand: the processor's own is as fast as memory with few long streams, and slower
/// where both fetch.
template <int rows, int streams, typename T>
inline void dots(const T* const (&w)[streams], const T* x, int64_t depth, float (&sums)[streams][rows]) {
  __m256 low[streams][rows], high[streams][rows];
#pragma GCC unroll 4
  for (int s = 0; s < streams; ++s)
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) low[s][r] = high[s][r] = _mm256_setzero_ps();
  const int64_t whole = depth / kStep * kStep;
#pragma GCC unroll 2
  for (int64_t k = 0; k < whole; k += kStep) {
    Pair of_x[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) of_x[r] = load_step(x + r * depth + k);
#pragma GCC unroll 4
    for (int s = 0; s < streams; ++s) {
      const Pair weights = load_step(w[s] + k);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) {
        low[s][r] = _mm256_fmadd_ps(weights.low, of_x[r].low, low[s][r]);
        high[s][r] = _mm256_fmadd_ps(weights.high, of_x[r].high, high[s][r]);
      }
    }
  }
  for (int s = 0; s < streams; ++s)
    for (int r = 0; r < rows; ++r) {
      sums[s][r] = sum_lanes(_mm256_add_ps(low[s][r], high[s][r]));
      for (int64_t k = whole; k < depth; ++k) sums[s][r] += widen(w[s][k]) * widen(x[r * depth + k]);
    }
}

/// take(column, sums of the rows) for each column from begin to end. Streams start far apart: neighbouring rows of
/// weights often begin at the same place in a page, where they compete for lines of the cache and for the processor's
/// prefetching, and come half as fast.
template <int rows, typename T, typename Take>
void each_column(const T* weight, const T* x, int64_t depth, int64_t begin, int64_t end, const Take& take) {
  constexpr int kStreams = kSideBySide<rows>;
  const int64_t apart = (end - begin) / kStreams;
  for (int64_t column = begin; column < begin + apart; ++column) {
    const T* w[kStreams];
    for (int s = 0; s < kStreams; ++s) w[s] = weight + (column + s * apart) * depth;
    float sums[kStreams][rows];
    dots<rows, kStreams>(w, x, depth, sums);
    for (int s = 0; s < kStreams; ++s) take(column + s * apart, sums[s]);
  }
  for (int64_t column = begin + kStreams * apart; column < end; ++column) {
    const T* const w[1] = {weight + column * depth};
    float sums[1][rows];
    dots<rows, 1>(w, x, depth, sums);
    take(column, sums[0]);
  }
}

template <typename T>
float with_bias(float sum, const T* bias, int64_t column) {
  return bias ? sum + widen(bias[column]) : sum;
}

/// Columns begin .. end of one layer.
template <int rows, typename T>
void linear_columns(const FewRowsLayer<T>& layer, const T* x, int64_t depth, int64_t begin, int64_t end) {
  each_column<rows>(layer.weight, x, depth, begin, end, [&](int64_t column, const float(&sums)[rows]) {
    for (int64_t r = 0; r < rows; ++r)
      layer.out[r * layer.columns + column] = narrow<T>(with_bias(sums[r], layer.bias, column));
  });
}

inline __m256 silu(__m256 x) {
  const __m256 e = exp2(_mm256_min_ps(_mm256_mul_ps(x, _mm256_set1_ps(-kLog2E)), _mm256_set1_ps(126.0f)));
  return _mm256_div_ps(x, _mm256_add_ps(e, _mm256_set1_ps(1.0f)));
}

template <int rows, typename T>
void gated_columns(const FewRowsLayer<T>& gate, const FewRowsLayer<T>& up, const T* x, int64_t depth, int64_t begin,
                   int64_t end) {
  const int64_t count = end - begin;
  std::vector<float> products[2];  // of gate and up, [rows, count]
  for (const bool is_gate : {true, false}) {
    const FewRowsLayer<T>& layer = is_gate ? gate : up;
    std::vector<float>& of_layer = products[is_gate ? 0 : 1];
    of_layer.resize(static_cast<size_t>(rows * count));
    each_column<rows>(layer.weight, x, depth, begin, end, [&](int64_t column, const float(&sums)[rows]) {
      for (int64_t r = 0; r < rows; ++r)
        of_layer[static_cast<size_t>(r * count + column - begin)] = with_bias(sums[r], layer.bias, column);
    });
  }
  for (int64_t r = 0; r < rows; ++r) {
    const float *gates = products[0].data() + r * count, *ups = products[1].data() + r * count;
    for (int64_t i = 0; i < count; i += kLanes) {
      const __m256 value = _mm256_mul_ps(silu(load_some(gates + i, count - i)), load_some(ups + i, count - i));
      store_some(gate.out + r * gate.columns + begin + i, count - i, value);
    }
  }
}

int64_t grain(int64_t depth, size_t value_bytes) {
  return std::max<int64_t>(1, kTaskBytes / std::max<int64_t>(1, depth * static_cast<int64_t>(value_bytes)));
}

/// run<rows>() for a number of rows that is known when the program runs.
template <typename Run>
void by_rows(int64_t rows, const Run& run) {
  switch (rows) {
    case 1: return run(std::integral_constant<int, 1>());
    case 2: return run(std::integral_constant<int, 2>());
    case 3: return run(std::integral_constant<int, 3>());
    default: return run(std::integral_constant<int, 4>());
  }
}

}  // namespace

template <typename T>
void few_rows_linear(int64_t rows, int64_t depth, const T* x, std::span<const FewRowsLayer<T>> layers) {
  int64_t columns = 0;
  for (const FewRowsLayer<T>& layer : layers) columns += layer.columns;
  by_rows(rows, [&](auto count) {
    at::parallel_for(0, columns, grain(depth, sizeof(T)), [&](int64_t begin, int64_t end) {
      int64_t first = 0;  // of the layer, among the columns of all
      for (const FewRowsLayer<T>& layer : layers) {
        const int64_t from = std::max(begin - first, int64_t{0}), to = std::min(end - first, layer.columns);
        if (from < to) linear_columns<count()>(layer, x, depth, from, to);
        first += layer.columns;
      }
    });
  });
}

template <typename T>
void few_rows_gated(int64_t rows, int64_t depth, const T* x, const FewRowsLayer<T>& gate, const FewRowsLayer<T>& up) {
  by_rows(rows, [&](auto count) {
    at::parallel_for(0, gate.columns, grain(2 * depth, sizeof(T)),
                     [&](int64_t begin, int64_t end) { gated_columns<count()>(gate, up, x, depth, begin, end); });
  });
}

template <typename T>
void silu_product(int64_t n, const T* gate, const T* up, T* out) {
  at::parallel_for(0, n, 1 << 15, [&](int64_t begin, int64_t end) {
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) store(out + i, _mm256_mul_ps(silu(load(gate + i)), load(up + i)));
    for (; i < end; ++i) {
      const float x = widen(gate[i]);
      out[i] = narrow<T>(x / (1.0f + std::exp(-x)) * widen(up[i]));
    }
  });
}

template void few_rows_linear<float>(int64_t, int64_t, const float*, std::span<const FewRowsLayer<float>>);
template void few_rows_linear<Bf16>(int64_t, int64_t, const Bf16*, std::span<const FewRowsLayer<Bf16>>);
template void few_rows_gated<float>(int64_t, int64_t, const float*, const FewRowsLayer<float>&,
                                    const FewRowsLayer<float>&);
template void few_rows_gated<Bf16>(int64_t, int64_t, const Bf16*, const FewRowsLayer<Bf16>&, const FewRowsLayer<Bf16>&);
template void silu_product<float>(int64_t, const float*, const float*, float*);
template void silu_product<Bf16>(int64_t, const Bf16*, const Bf16*, Bf16*);

}  // namespace rushes::tensor::kernels
