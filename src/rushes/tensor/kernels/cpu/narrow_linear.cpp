#include "rushes/tensor/kernels/cpu/narrow_linear.h"

#include <algorithm>
#include <vector>

#include "rushes/tensor/kernels/cpu/micro_gemm.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kTaskFlop = 1 << 18;  // less is not worth another thread

/// The last panel is half as wide where that is enough.
int64_t panel_width(int64_t columns, int64_t first) { return columns - first <= kLanes ? kLanes : kColumns; }

template <int64_t width>
void tile(const NarrowLinear& layer, const float* a, int64_t rows, int64_t first, const float* panel, float* out) {
  alignas(32) float product[kRows * width];
  multiply_tile<false, width>(layer.depth, a, layer.depth, panel, product, width);
  const int64_t columns = std::min(width, layer.columns - first);
  if (columns < width) {
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < width; ++i) product[row * width + i] += i < columns ? layer.bias[first + i] : 0.0f;
  } else {
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < width; i += kLanes)
        store(product + row * width + i, _mm256_add_ps(load(product + row * width + i), load(layer.bias + first + i)));
  }
  for (int64_t row = 0; row < rows; ++row) {
    float* from = product + row * width;
    if (layer.gelu)
      for (int64_t i = 0; i < width; i += kLanes) store(from + i, gelu_tanh(load(from + i)));
    std::copy_n(from, columns, out + row * layer.columns + first);
  }
}

/// Rows begin .. end; the last ones, less than a tile, behind zeros: the same arithmetic for them.
void strip(const NarrowLinear& layer, int64_t begin, int64_t end) {
  const int64_t rest = (end - begin) % kRows, whole = end - rest;
  std::vector<float> last;
  if (rest > 0) {
    last.resize(static_cast<std::size_t>(kRows * layer.depth));
    std::copy_n(layer.x + whole * layer.depth, rest * layer.depth, last.begin());
  }
  const float* panel = layer.packed;
  for (int64_t first = 0; first < layer.columns; first += kColumns) {
    const int64_t width = panel_width(layer.columns, first);
    for (int64_t row = begin; row < end; row += kRows) {
      const int64_t rows = std::min(kRows, end - row);
      const float* a = rows == kRows ? layer.x + row * layer.depth : last.data();
      float* out = layer.out + row * layer.columns;
      if (width == kColumns)
        tile<kColumns>(layer, a, rows, first, panel, out);
      else
        tile<kLanes>(layer, a, rows, first, panel, out);
    }
    panel += layer.depth * width;
  }
}

}  // namespace

int64_t packed_narrow_size(int64_t columns, int64_t depth) { return round_up(columns, kLanes) * depth; }

void pack_narrow(const float* weight, int64_t columns, int64_t depth, float* packed) {
  for (int64_t first = 0; first < columns; first += kColumns) {
    const int64_t width = panel_width(columns, first);
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t i = 0; i < width; ++i) *packed++ = first + i < columns ? weight[(first + i) * depth + k] : 0.0f;
  }
}

void narrow_linear(const NarrowLinear& layer) {
  const int64_t tiles = (layer.rows + kRows - 1) / kRows, flop = 2 * kRows * layer.columns * layer.depth;
  at::parallel_for(0, tiles, std::max<int64_t>(1, kTaskFlop / std::max<int64_t>(flop, 1)),
                   [&](int64_t begin, int64_t end) { strip(layer, begin * kRows, std::min(end * kRows, layer.rows)); });
}

}  // namespace rushes::tensor::kernels
