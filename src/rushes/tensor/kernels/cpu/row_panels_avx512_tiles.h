// What row_panels_avx512.cpp and row_panels_avx512_bf16.cpp share; each compiles it for its own instructions, so all of
// it is in an unnamed namespace.
#pragma once
#include <immintrin.h>

#include "rushes/tensor/kernels/cpu/row_panels_avx512.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kAheadWords = 8;  // of a panel: as long as its way from the second cache to the first

/// r[i] lane j becomes r[j] lane i.
[[gnu::always_inline]] inline void transpose(__m512 (&r)[16]) {
  __m512 t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);
      r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

inline __mmask16 first_lanes(int64_t count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1); }

/// Step::add(sum, x, weight word).
template <int vectors, typename Step, typename T>
[[gnu::always_inline]] inline void multiply(const PanelTile<T>& tile) {
  const uint32_t* w[kTileColumns];  // rows that do not exist are the last one again
  for (int64_t i = 0; i < kTileColumns; ++i) w[i] = tile.w + (i < tile.columns ? i : tile.columns - 1) * tile.w_stride;
  __m512 sums[kTileColumns][vectors];
#pragma GCC unroll 8
  for (int i = 0; i < kTileColumns; ++i)
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) sums[i][v] = _mm512_setzero_ps();
  const uint32_t* x = tile.x;
  for (int64_t first = 0; first < tile.words; first += 16) {  // a line of each row of weights
    if (tile.next != nullptr)
      for (int64_t i = 0; i < tile.columns; ++i)
        _mm_prefetch(reinterpret_cast<const char*>(tile.next + i * tile.w_stride + first), _MM_HINT_T1);
    const int64_t end = first + 16 < tile.words ? first + 16 : tile.words;
    for (int64_t k = first; k < end; ++k) {
      __m512 lanes[vectors];
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) {
        lanes[v] = _mm512_loadu_ps(x + v * kPanelLanes);
        _mm_prefetch(reinterpret_cast<const char*>(x + (kAheadWords * vectors + v) * kPanelLanes), _MM_HINT_T0);
      }
#pragma GCC unroll 8
      for (int i = 0; i < kTileColumns; ++i) {
        const __m512i word = _mm512_set1_epi32(static_cast<int32_t>(w[i][k]));
#pragma GCC unroll 3
        for (int v = 0; v < vectors; ++v) sums[i][v] = Step::add(sums[i][v], lanes[v], word);
      }
      x += vectors * kPanelLanes;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kTileColumns; ++i)
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      float* to = tile.sums + i * tile.sums_stride + v * kPanelLanes;
      _mm512_storeu_ps(to, tile.add ? _mm512_add_ps(_mm512_loadu_ps(to), sums[i][v]) : sums[i][v]);
    }
}

template <typename Step, typename T>
void multiply_any(const PanelTile<T>& tile) {
  switch (tile.vectors) {
    case 1: return multiply<1, Step>(tile);
    case 2: return multiply<2, Step>(tile);
    default: return multiply<3, Step>(tile);
  }
}

/// Store::bias(from, lanes) and Store::store(to, lanes, value).
template <typename Store, typename T>
void store_any(const PanelOut<T>& tile) {
  __m512 r[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i)
    r[i] = i < tile.columns ? _mm512_loadu_ps(tile.sums + i * tile.sums_stride) : _mm512_setzero_ps();
  transpose(r);
  const __mmask16 lanes = first_lanes(tile.columns);
  const __m512 bias = tile.bias == nullptr ? _mm512_setzero_ps() : Store::bias(tile.bias, lanes);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i)
    if (i < tile.rows) Store::store(tile.out + i * tile.out_stride, lanes, _mm512_add_ps(r[i], bias));
}

}  // namespace
}  // namespace rushes::tensor::kernels
