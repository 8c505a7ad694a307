#include "rushes/tensor/kernels/cpu/few_rows.h"

#include <algorithm>
#include <vector>

#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kStep = 16;            // values of a row at a time
constexpr int64_t kTaskBytes = 1 << 17;  // of weights: less is not worth another thread
constexpr int64_t kAheadBytes = 2048;    // the processor's own prefetching stops at each page

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

/// The rows of x in float32, in steps as load_step() has them.
template <typename T>
class Operand {
 public:
  Operand(int64_t rows, int64_t depth, const T* x) : depth_(depth), values_(static_cast<size_t>(rows * depth)) {
    const int64_t whole = depth / kStep * kStep;
    for (int64_t row = 0; row < rows; ++row) {
      const T* from = x + row * depth;
      float* to = values_.data() + row * depth;
      int64_t k = 0;
      for (; k < whole; k += kStep) {
        const Pair step = load_step(from + k);
        store(to + k, step.low);
        store(to + k + kLanes, step.high);
      }
      for (; k < depth; ++k) to[k] = widen(from[k]);
    }
  }
  const float* row(int64_t i) const { return values_.data() + i * depth_; }

 private:
  int64_t depth_;
  std::vector<float> values_;
};

/// Products of a row of weights with each of `rows` rows of x. One row of weights after the other, so that memory is
/// read in one stream: four rows side by side come half as fast.
template <int rows, typename T>
inline void dots(const T* w, const Operand<T>& x, int64_t depth, float (&sums)[rows]) {
  constexpr int kChains = 4;  // sums that do not wait for each other; as many for any number of rows
  __m256 total[rows][kChains];
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int i = 0; i < kChains; ++i) total[r][i] = _mm256_setzero_ps();
  const auto step = [&](int64_t k, int chain) {
    const Pair weights = load_step(w + k);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      total[r][chain] = _mm256_fmadd_ps(weights.low, _mm256_loadu_ps(x.row(r) + k), total[r][chain]);
      total[r][chain + 1] = _mm256_fmadd_ps(weights.high, _mm256_loadu_ps(x.row(r) + k + kLanes), total[r][chain + 1]);
    }
  };
  const int64_t whole = depth / kStep * kStep;
  int64_t k = 0;
  for (; k + 2 * kStep <= whole; k += 2 * kStep) {
    _mm_prefetch(reinterpret_cast<const char*>(w + k) + kAheadBytes, _MM_HINT_T0);  // harmless beyond the end
    if constexpr (sizeof(T) > 2) _mm_prefetch(reinterpret_cast<const char*>(w + k) + kAheadBytes + 64, _MM_HINT_T0);
    step(k, 0);
    step(k + kStep, 2);
  }
  if (k < whole) step(k, 0);
  for (int r = 0; r < rows; ++r) {
    sums[r] =
        sum_lanes(_mm256_add_ps(_mm256_add_ps(total[r][0], total[r][1]), _mm256_add_ps(total[r][2], total[r][3])));
    for (k = whole; k < depth; ++k) sums[r] += widen(w[k]) * x.row(r)[k];
  }
}

template <typename T>
float with_bias(float sum, const T* bias, int64_t column) {
  return bias ? sum + widen(bias[column]) : sum;
}

/// Columns begin .. end of one layer.
template <int rows, typename T>
void linear_columns(const FewRowsLayer<T>& layer, const Operand<T>& x, int64_t depth, int64_t begin, int64_t end) {
  for (int64_t column = begin; column < end; ++column) {
    float sums[rows];
    dots<rows>(layer.weight + column * depth, x, depth, sums);
    for (int64_t r = 0; r < rows; ++r)
      layer.out[r * layer.columns + column] = narrow<T>(with_bias(sums[r], layer.bias, column));
  }
}

inline __m256 silu(__m256 x) {
  const __m256 e = exp2(_mm256_min_ps(_mm256_mul_ps(x, _mm256_set1_ps(-kLog2E)), _mm256_set1_ps(126.0f)));
  return _mm256_div_ps(x, _mm256_add_ps(e, _mm256_set1_ps(1.0f)));
}

template <int rows, typename T>
void gated_columns(const FewRowsLayer<T>& gate, const FewRowsLayer<T>& up, const Operand<T>& x, int64_t depth,
                   int64_t begin, int64_t end) {
  constexpr int64_t kChunk = 64;
  alignas(32) float gates[rows][kChunk] = {}, ups[rows][kChunk] = {};
  for (int64_t first = begin; first < end; first += kChunk) {
    const int64_t count = std::min(kChunk, end - first);
    for (const bool is_gate : {true, false}) {
      const FewRowsLayer<T>& layer = is_gate ? gate : up;
      for (int64_t i = 0; i < count; ++i) {
        float sums[rows];
        dots<rows>(layer.weight + (first + i) * depth, x, depth, sums);
        for (int64_t r = 0; r < rows; ++r) (is_gate ? gates : ups)[r][i] = with_bias(sums[r], layer.bias, first + i);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < count; c += kLanes)
        store(gates[r] + c, _mm256_mul_ps(silu(load(gates[r] + c)), load(ups[r] + c)));
      for (int64_t c = 0; c < count; ++c) gate.out[r * gate.columns + first + c] = narrow<T>(gates[r][c]);
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
  const Operand<T> operand(rows, depth, x);
  int64_t columns = 0;
  for (const FewRowsLayer<T>& layer : layers) columns += layer.columns;
  by_rows(rows, [&](auto count) {
    at::parallel_for(0, columns, grain(depth, sizeof(T)), [&](int64_t begin, int64_t end) {
      int64_t first = 0;  // of the layer, among the columns of all
      for (const FewRowsLayer<T>& layer : layers) {
        const int64_t from = std::max(begin - first, int64_t{0}), to = std::min(end - first, layer.columns);
        if (from < to) linear_columns<count()>(layer, operand, depth, from, to);
        first += layer.columns;
      }
    });
  });
}

template <typename T>
void few_rows_gated(int64_t rows, int64_t depth, const T* x, const FewRowsLayer<T>& gate, const FewRowsLayer<T>& up) {
  const Operand<T> operand(rows, depth, x);
  by_rows(rows, [&](auto count) {
    at::parallel_for(0, gate.columns, grain(2 * depth, sizeof(T)),
                     [&](int64_t begin, int64_t end) { gated_columns<count()>(gate, up, operand, depth, begin, end); });
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
