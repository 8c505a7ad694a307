#include "rushes/tensor/kernels/cpu/softmax_avx512.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kWide = 16;

/// 2^x to 4e-6 (bfloat16 keeps 2^-9), 0 below -126. Degree 4 on [-1/2, 1/2]; coefficients: interpolation at the
/// Chebyshev nodes.
__m512 exp2_coarse(__m512 x) {
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 rest = _mm512_sub_ps(x, whole);
  __m512 power = _mm512_set1_ps(9.66636852e-3f);
  power = _mm512_fmadd_ps(power, rest, _mm512_set1_ps(5.59219758e-2f));
  power = _mm512_fmadd_ps(power, rest, _mm512_set1_ps(2.4022349e-1f));
  power = _mm512_fmadd_ps(power, rest, _mm512_set1_ps(6.93121045e-1f));
  power = _mm512_fmadd_ps(power, rest, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(power, whole);
}

}  // namespace

float soften_row_avx512(const float* scores, int64_t valid, int64_t count, float scale, SoftmaxState& state,
                        uint16_t* p) {
  const __m512 minus_infinity = _mm512_set1_ps(-INFINITY), factor = _mm512_set1_ps(scale);
  const auto lanes = [&](int64_t i) {  // those of the 16 from i that are valid
    return static_cast<__mmask16>(i + kWide <= valid ? 0xffff : valid <= i ? 0 : (1u << (valid - i)) - 1);
  };
  __m512 largest = minus_infinity;
  for (int64_t i = 0; i < count; i += kWide)
    largest = _mm512_mask_max_ps(largest, lanes(i), largest, _mm512_loadu_ps(scores + i));
  const float top = std::max(state.max, _mm512_reduce_max_ps(largest) * scale);
  const __m512 shift = _mm512_set1_ps(top);
  __m512 total = _mm512_setzero_ps();
  for (int64_t i = 0; i < count; i += kWide) {
    const __m512 exponent = _mm512_fmsub_ps(_mm512_loadu_ps(scores + i), factor, shift);
    const __m512 power = _mm512_maskz_mov_ps(lanes(i), exp2_coarse(exponent));
    total = _mm512_add_ps(total, power);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + i), (__m256i)_mm512_cvtneps_pbh(power));
  }
  const float shrink = std::exp2(state.max - top);
  state.sum = state.sum * shrink + _mm512_reduce_add_ps(total);
  state.max = top;
  return shrink;
}

void scale_row_avx512(float* values, int64_t count, float factor) {
  int64_t i = 0;
  for (; i + kWide <= count; i += kWide)
    _mm512_storeu_ps(values + i, _mm512_mul_ps(_mm512_loadu_ps(values + i), _mm512_set1_ps(factor)));
  for (; i < count; ++i) values[i] *= factor;
}

}  // namespace rushes::tensor::kernels
