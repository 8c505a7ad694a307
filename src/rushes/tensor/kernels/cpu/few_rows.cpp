#include "rushes/tensor/kernels/cpu/few_rows.h"

#include <algorithm>
#include <array>
#include <vector>

#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kStep = 16;                  // values of a weight's row at a time
constexpr int64_t kTaskBytes = 1 << 17;        // of weights: less is not worth another thread
constexpr int64_t kAheadBytes = 1024;          // the processor's own prefetching stops at each page

/// The rows of x in float32. In steps of 16 those at even places come first where weights are bfloat16: two of them
/// are one shift and one mask of a 32-bit lane.
template <typename T>
class Operand {
 public:
  Operand(int64_t rows, int64_t depth, const T* x) : depth_(depth), values_(static_cast<size_t>(rows * depth)) {
    const int64_t whole = depth / kStep * kStep;
    for (int64_t row = 0; row < rows; ++row) {
      const T* from = x + row * depth;
      float* to = values_.data() + row * depth;
      for (int64_t k = 0; k < depth; ++k) to[k < whole ? place(k) : k] = widen(from[k]);
    }
  }
  const float* row(int64_t i) const { return values_.data() + i * depth_; }

 private:
  static int64_t place(int64_t k) {
    if constexpr (std::is_same_v<T, float>) return k;
    const int64_t step = k / kStep * kStep, i = k % kStep;
    return step + i / 2 + (i % 2) * kLanes;
  }
  int64_t depth_;
  std::vector<float> values_;
};

struct Pair {
  __m256 low, high;
};

inline Pair load_step(const float* w) { return {_mm256_loadu_ps(w), _mm256_loadu_ps(w + kLanes)}; }
inline Pair load_step(const Bf16* w) {
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(both, 16)),
          _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(static_cast<int32_t>(0xffff0000))))};
}

/// Products of `kWeights` rows of weights and `rows` rows of x: sums[weight][row].
template <int kWeights, int rows, typename T>
inline void dots(const std::array<const T*, kWeights>& w, const Operand<T>& x, int64_t depth,
                 float (&sums)[kWeights][rows]) {
  __m256 total[kWeights][rows];
#pragma GCC unroll 4
  for (int i = 0; i < kWeights; ++i)
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) total[i][r] = _mm256_setzero_ps();
  const int64_t whole = depth / kStep * kStep;
  for (int64_t k = 0; k < whole; k += kStep) {
#pragma GCC unroll 4
    for (int i = 0; i < kWeights; ++i) {
      const auto* ahead = reinterpret_cast<const char*>(w[i] + k) + kAheadBytes;  // harmless beyond the end
      _mm_prefetch(ahead, _MM_HINT_T0);
      const Pair weights = load_step(w[i] + k);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) {
        total[i][r] = _mm256_fmadd_ps(weights.low, _mm256_loadu_ps(x.row(r) + k), total[i][r]);
        total[i][r] = _mm256_fmadd_ps(weights.high, _mm256_loadu_ps(x.row(r) + k + kLanes), total[i][r]);
      }
    }
  }
  for (int i = 0; i < kWeights; ++i)
    for (int r = 0; r < rows; ++r) {
      sums[i][r] = sum_lanes(total[i][r]);
      for (int64_t k = whole; k < depth; ++k) sums[i][r] += widen(w[i][k]) * x.row(r)[k];
    }
}

template <typename T>
float with_bias(float sum, const T* bias, int64_t column) {
  return bias ? sum + widen(bias[column]) : sum;
}

/// Columns begin .. end of one layer.
template <int rows, typename T>
void linear_columns(const FewRowsLayer<T>& layer, const Operand<T>& x, int64_t depth, int64_t begin, int64_t end) {
  constexpr int kWeights = rows > 2 ? 2 : 4;
  const auto put = [&](const auto& sums, int64_t column, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t r = 0; r < rows; ++r)
        layer.out[r * layer.columns + column + i] = narrow<T>(with_bias(sums[i][r], layer.bias, column + i));
  };
  int64_t column = begin;
  for (; column + kWeights <= end; column += kWeights) {
    std::array<const T*, kWeights> w;
    for (int i = 0; i < kWeights; ++i) w[static_cast<size_t>(i)] = layer.weight + (column + i) * depth;
    float sums[kWeights][rows];
    dots<kWeights, rows, T>(w, x, depth, sums);
    put(sums, column, kWeights);
  }
  for (; column < end; ++column) {
    float sums[1][rows];
    dots<1, rows, T>({layer.weight + column * depth}, x, depth, sums);
    put(sums, column, 1);
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
    const auto put = [&](const auto& sums, int64_t i, int64_t columns) {
      for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < rows; ++r) {
          gates[r][i + c] = with_bias(sums[c][r], gate.bias, first + i + c);
          ups[r][i + c] = with_bias(sums[columns + c][r], up.bias, first + i + c);
        }
    };
    int64_t i = 0;
    if constexpr (rows <= 2)
      for (; i + 2 <= count; i += 2) {
        const T *g = gate.weight + (first + i) * depth, *u = up.weight + (first + i) * depth;
        float sums[4][rows];
        dots<4, rows, T>({g, g + depth, u, u + depth}, x, depth, sums);
        put(sums, i, 2);
      }
    for (; i < count; ++i) {
      float sums[2][rows];
      dots<2, rows, T>({gate.weight + (first + i) * depth, up.weight + (first + i) * depth}, x, depth, sums);
      put(sums, i, 1);
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
    at::parallel_for(0, gate.columns, grain(2 * depth, sizeof(T)), [&](int64_t begin, int64_t end) {
      gated_columns<count()>(gate, up, operand, depth, begin, end);
    });
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
