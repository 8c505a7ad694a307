#include "rushes/tensor/kernels/cpu/row_panels_avx512_tiles.h"

namespace rushes::tensor::kernels {
namespace {

struct PairStep {
  static __m512 add(__m512 sum, __m512 x, __m512i word) { return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)word); }
};

struct Bf16Store {
  static __m512 bias(const uint16_t* from, __mmask16 lanes) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from)), 16));
  }
  static void store(uint16_t* to, __mmask16 lanes, __m512 value) {
    _mm256_mask_storeu_epi16(to, lanes, (__m256i)_mm512_cvtneps_pbh(value));
  }
};

}  // namespace

template <>
void multiply_panel_avx512<uint16_t>(const PanelTile<uint16_t>& tile) {
  multiply_any<PairStep>(tile);
}
template <>
void store_panel_avx512<uint16_t>(const PanelOut<uint16_t>& tile) {
  store_any<Bf16Store>(tile);
}

}  // namespace rushes::tensor::kernels
