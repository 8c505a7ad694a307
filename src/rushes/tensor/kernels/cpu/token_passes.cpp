#include "rushes/tensor/kernels/cpu/token_passes.h"

#include <algorithm>
#include <vector>

#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kTaskValues = 1 << 14;  // less is not worth another thread

template <typename T>
float dot(const T* a, const float* b, int64_t n) {
  __m256 total = _mm256_setzero_ps(), other = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    total = _mm256_fmadd_ps(load(a + i), load(b + i), total);
    other = _mm256_fmadd_ps(load(a + i + kLanes), load(b + i + kLanes), other);
  }
  float sum = sum_lanes(_mm256_add_ps(total, other));
  for (; i < n; ++i) sum += widen(a[i]) * b[i];
  return sum;
}

template <typename T>
void norm_row(int64_t width, const T* x, const T* weight, float eps, T* out) {
  __m256 squares = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const __m256 value = load(x + i);
    squares = _mm256_fmadd_ps(value, value, squares);
  }
  float sum = sum_lanes(squares);
  for (; i < width; ++i) sum += widen(x[i]) * widen(x[i]);
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(width) + eps);
  for (i = 0; i + kLanes <= width; i += kLanes) {
    store(out + i, _mm256_mul_ps(load(x + i), _mm256_set1_ps(scale)));
    store(out + i, _mm256_mul_ps(load(out + i), load(weight + i)));
  }
  for (; i < width; ++i) out[i] = narrow<T>(widen(narrow<T>(widen(x[i]) * scale)) * widen(weight[i]));
}

template <typename T>
void rotate_head(int64_t half, T* x, const float* cos, const float* sin) {
  T* high = x + half;
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const __m256 a = load(x + i), b = load(high + i), c = load(cos + i), s = load(sin + i);
    store(x + i, _mm256_fnmadd_ps(b, s, _mm256_mul_ps(a, c)));
    store(high + i, _mm256_fmadd_ps(a, s, _mm256_mul_ps(b, c)));
  }
  for (; i < half; ++i) {
    const float a = widen(x[i]), b = widen(high[i]);
    x[i] = narrow<T>(a * cos[i] - b * sin[i]);
    high[i] = narrow<T>(b * cos[i] + a * sin[i]);
  }
}

/// Buffers of one thread.
struct OneQuery {
  OneQuery(int64_t keys, int64_t head_size)
      : q(static_cast<size_t>(head_size)), sums(static_cast<size_t>(head_size)), scores(static_cast<size_t>(keys)) {}
  std::vector<float> q, sums, scores;
};

/// scores = 2^(scores - largest). Returns their sum.
float soften(std::vector<float>& scores) {
  const float top = *std::max_element(scores.begin(), scores.end());
  const auto n = static_cast<int64_t>(scores.size());
  __m256 total = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m256 power = exp2(_mm256_sub_ps(load(scores.data() + i), _mm256_set1_ps(top)));
    store(scores.data() + i, power);
    total = _mm256_add_ps(total, power);
  }
  float sum = sum_lanes(total);
  for (; i < n; ++i) sum += scores[static_cast<size_t>(i)] = std::exp2(scores[static_cast<size_t>(i)] - top);
  return sum;
}

template <typename T>
void attend(const OneQueryShape& shape, const T* q, const T* k, int64_t k_stride, const T* v, int64_t v_stride, T* out,
            OneQuery& buffers) {
  const int64_t D = shape.head_size;
  const float scale = kLog2E / std::sqrt(static_cast<float>(D));
  for (int64_t d = 0; d < D; ++d) buffers.q[static_cast<size_t>(d)] = widen(q[d]) * scale;
  for (int64_t key = 0; key < shape.keys; ++key)
    buffers.scores[static_cast<size_t>(key)] = dot(k + key * k_stride, buffers.q.data(), D);
  const float sum = soften(buffers.scores);
  float* sums = buffers.sums.data();
  std::fill(buffers.sums.begin(), buffers.sums.end(), 0.0f);
  for (int64_t key = 0; key < shape.keys; ++key) {
    const T* row = v + key * v_stride;
    const float weight = buffers.scores[static_cast<size_t>(key)];
    const __m256 weights = _mm256_set1_ps(weight);
    int64_t d = 0;
    for (; d + kLanes <= D; d += kLanes) store(sums + d, _mm256_fmadd_ps(load(row + d), weights, load(sums + d)));
    for (; d < D; ++d) sums[d] += widen(row[d]) * weight;
  }
  for (int64_t d = 0; d < D; ++d) out[d] = narrow<T>(sums[d] / sum);
}

}  // namespace

template <typename T>
void rms_norm_rows(int64_t rows, int64_t width, const T* x, const T* weight, float eps, T* out) {
  at::parallel_for(0, rows, std::max<int64_t>(1, kTaskValues / width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) norm_row(width, x + row * width, weight, eps, out + row * width);
  });
}

template <typename T>
void rotate_halves(const RotateHalves<T>& pass) {
  const int64_t half = pass.head_size / 2;
  const int64_t grain = std::max<int64_t>(1, kTaskValues / std::max<int64_t>(1, pass.heads * pass.head_size));
  at::parallel_for(0, pass.tokens, grain, [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token)
      for (int64_t head = 0; head < pass.heads; ++head)
        rotate_head(half, pass.x + token * pass.token_stride + head * pass.head_stride, pass.cos + token * half,
                    pass.sin + token * half);
  });
}

template <typename T>
void one_query_attention(const OneQueryShape& shape, const HeadsView<const T>& q, const HeadsView<const T>& k,
                         const HeadsView<const T>& v, const HeadsView<T>& out) {
  const int64_t each = shape.heads / shape.kv_heads;
  const int64_t grain = std::max<int64_t>(1, 4 * kTaskValues / std::max<int64_t>(1, shape.keys * shape.head_size));
  at::parallel_for(0, shape.batch * shape.heads, grain, [&](int64_t begin, int64_t end) {
    OneQuery buffers(shape.keys, shape.head_size);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / shape.heads, head = task % shape.heads, group = head / each;
      attend(shape, q.row(b, 0, head), k.row(b, 0, group), k.token_stride, v.row(b, 0, group), v.token_stride,
             out.row(b, 0, head), buffers);
    }
  });
}

#define RUSHES_FOR(T)                                                                                              \
  template void rms_norm_rows<T>(int64_t, int64_t, const T*, const T*, float, T*);                                 \
  template void rotate_halves<T>(const RotateHalves<T>&);                                                          \
  template void one_query_attention<T>(const OneQueryShape&, const HeadsView<const T>&, const HeadsView<const T>&, \
                                       const HeadsView<const T>&, const HeadsView<T>&);
RUSHES_FOR(float)
RUSHES_FOR(Bf16)
#undef RUSHES_FOR

}  // namespace rushes::tensor::kernels
