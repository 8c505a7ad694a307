// The inner products of linear_rows() for AVX-512. x is packed, weights are read as they lie: each is spread over the
// lanes of a register, which hold rows of x. So one product needs 16 rows of x, and none of the weights is copied.
// A word is what is spread: a float32, or two bfloat16 that are neighbours in their row. T is float or uint16_t, the
// bits of a bfloat16. No libtorch here: the files are compiled for AVX-512 and called only after asking the processor.
#pragma once
#include <cstdint>

namespace rushes::tensor::kernels {

inline constexpr int64_t kPanelLanes = 16;   // rows of x in a register
inline constexpr int64_t kPanelVectors = 3;  // registers of a panel, at most: 24 sums of 8 columns, 3 of x, the weight
inline constexpr int64_t kTileColumns = 8;

/// 16 rows of x, the first at `x`, to to[words][to_stride] from its first lane on; those from `rows` on become zeros.
void pack_lanes_avx512(const uint32_t* x, int64_t x_stride, int64_t rows, int64_t words, uint32_t* to,
                       int64_t to_stride);

/// sums[8][..] (+)= w[8][words] x[words][16 vectors], 1 to 3 vectors; of the 8 rows of w `columns` exist. `next`: what
/// will be read after w, with the same strides, or null; it is fetched meanwhile.
template <typename T>
struct PanelTile {
  int64_t words, vectors, columns;
  const uint32_t* x;
  const uint32_t* w;
  int64_t w_stride;
  const uint32_t* next;
  float* sums;
  int64_t sums_stride;
  bool add;
};
template <typename T>
void multiply_panel_avx512(const PanelTile<T>& tile);

/// out[row][column] = sums[column][row] + bias[column], for up to 16 rows and 16 columns; bias null: 0.
template <typename T>
struct PanelOut {
  int64_t rows, columns;
  const float* sums;
  int64_t sums_stride;
  const T* bias;
  T* out;
  int64_t out_stride;
};
template <typename T>
void store_panel_avx512(const PanelOut<T>& tile);

}  // namespace rushes::tensor::kernels
