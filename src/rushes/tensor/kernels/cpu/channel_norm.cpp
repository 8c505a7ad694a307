#include "rushes/tensor/kernels/cpu/channel_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace rushes::tensor::kernels {
namespace {

/// y * sigmoid(y) = y / (1 + 2^(-y log2 e)). The exponent is bounded, so that 2^x stays finite: beyond it y / inf = 0.
__m256 silu(__m256 y) {
  const __m256 power = exp2(_mm256_min_ps(_mm256_mul_ps(y, _mm256_set1_ps(-kLog2E)), _mm256_set1_ps(126.0f)));
  return _mm256_div_ps(y, _mm256_add_ps(power, _mm256_set1_ps(1.0f)));
}
float silu(float y) { return y / (1.0f + std::exp(-y)); }

template <typename T>
float sum_of_squares(const T* x, int64_t channels) {
  __m256 sums[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  int64_t c = 0;
  for (; c + 2 * kLanes <= channels; c += 2 * kLanes)
    for (int64_t half = 0; half < 2; ++half) {
      const __m256 value = load(x + c + half * kLanes);
      sums[half] = _mm256_fmadd_ps(value, value, sums[half]);
    }
  float sum = sum_lanes(_mm256_add_ps(sums[0], sums[1]));
  for (; c < channels; ++c) sum += widen(x[c]) * widen(x[c]);
  return sum;
}

template <AfterNorm after, typename T>
void norm_rows(int64_t rows, int64_t channels, const T* x, const float* gamma, T* out) {
  const float root = std::sqrt(static_cast<float>(channels));
  for (int64_t row = 0; row < rows; ++row, x += channels, out += channels) {
    const float factor = root / std::max(std::sqrt(sum_of_squares(x, channels)), 1e-12f);
    const __m256 factors = _mm256_set1_ps(factor);
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      __m256 y = _mm256_mul_ps(_mm256_mul_ps(load(x + c), factors), _mm256_loadu_ps(gamma + c));
      if constexpr (after == AfterNorm::silu) y = silu(y);
      store(out + c, y);
    }
    for (; c < channels; ++c) {
      float y = widen(x[c]) * factor * gamma[c];
      if constexpr (after == AfterNorm::silu) y = silu(y);
      out[c] = narrow<T>(y);
    }
  }
}

}  // namespace

template <typename T>
void channel_norm(int64_t rows, int64_t channels, const T* x, const float* gamma, AfterNorm after, T* out) {
  const int64_t grain = std::max<int64_t>(1, 16384 / channels);
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    const T* from = x + begin * channels;
    T* to = out + begin * channels;
    if (after == AfterNorm::silu)
      norm_rows<AfterNorm::silu>(end - begin, channels, from, gamma, to);
    else
      norm_rows<AfterNorm::nothing>(end - begin, channels, from, gamma, to);
  });
}
template void channel_norm<float>(int64_t, int64_t, const float*, const float*, AfterNorm, float*);
template void channel_norm<Bf16>(int64_t, int64_t, const Bf16*, const float*, AfterNorm, Bf16*);

void interleave_phases(int64_t images, int64_t inner, int64_t height, int64_t width, int64_t frames, int64_t channels,
                       const float* phases, float* out) {
  const int64_t position = frames * 4 * channels;  // values of one position of `phases`
  const auto bytes = static_cast<std::size_t>(channels) * sizeof(float);
  at::parallel_for(0, images * frames * 2 * height, std::max<int64_t>(1, 8192 / (width * channels)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t row = begin; row < end; ++row) {  // of the output: [N / inner, S, inner, 2 h]
                       const int64_t y = row % (2 * height), image = row / (2 * height), a = y % 2;
                       const int64_t n = image % inner, s = image / inner % frames, t = image / (inner * frames);
                       const float* from = phases +
                                           (((t * inner + n) * (height + 1) + y / 2 + a) * (width + 1)) * position +
                                           (s * 4 + a * 2) * channels;
                       float* to = out + row * 2 * width * channels;
                       for (int64_t x = 0; x < width; ++x) {
                         std::memcpy(to + 2 * x * channels, from + x * position, bytes);
                         std::memcpy(to + (2 * x + 1) * channels, from + (x + 1) * position + channels, bytes);
                       }
                     }
                   });
}

}  // namespace rushes::tensor::kernels
