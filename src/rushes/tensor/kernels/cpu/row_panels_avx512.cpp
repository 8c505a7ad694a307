#include "rushes/tensor/kernels/cpu/row_panels_avx512_tiles.h"

namespace rushes::tensor::kernels {
namespace {

struct FloatStep {
  static __m512 add(__m512 sum, __m512 x, __m512i word) { return _mm512_fmadd_ps(x, _mm512_castsi512_ps(word), sum); }
};

struct FloatStore {
  static __m512 bias(const float* from, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, from); }
  static void store(float* to, __mmask16 lanes, __m512 value) { _mm512_mask_storeu_ps(to, lanes, value); }
};

}  // namespace

void pack_lanes_avx512(const uint32_t* x, int64_t x_stride, int64_t rows, int64_t words, uint32_t* to,
                       int64_t to_stride) {
  for (int64_t k = 0; k < words; k += 16) {
    const __mmask16 lanes = first_lanes(words - k);
    __m512 r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i)
      r[i] = i < rows ? _mm512_maskz_loadu_ps(lanes, x + i * x_stride + k) : _mm512_setzero_ps();
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i)
      if (k + i < words) _mm512_storeu_ps(to + (k + i) * to_stride, r[i]);
  }
}

template <>
void multiply_panel_avx512<float>(const PanelTile<float>& tile) {
  multiply_any<FloatStep>(tile);
}
template <>
void store_panel_avx512<float>(const PanelOut<float>& tile) {
  store_any<FloatStore>(tile);
}

}  // namespace rushes::tensor::kernels
