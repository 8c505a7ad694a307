#include "rushes/tensor/kernels/cpu/winograd.h"

#include <array>

#include "rushes/base/error.h"
#include "rushes/tensor/kernels/cpu/in_rounds.h"
#include "rushes/tensor/kernels/cpu/micro_gemm.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kDepthSlice = 256;          // of a product: its right operand stays in L1
constexpr int64_t kBlockPanels = 16;          // of a task
constexpr int64_t kChunkValues = 128 * 1024;  // tiles times channels that are held at once, at one pair of points
constexpr int64_t kApart = 16;  // more values between planes: powers of two would share a few sets of the caches
constexpr int kPair = 2;        // vectors that are transformed together: 16 channels, a line of the caches

template <int rows, int columns>
using Matrix = std::array<std::array<float, columns>, rows>;

/// Toom-Cook's matrices of four outputs and `weights` taps along an axis, at points and infinity: outputs are
/// output * ((weight * g) . (input * d)). Points that are small and apart from each other keep the error small; these
/// were the best of a dozen sets for random numbers.
template <int weights>
struct ToomCook {
  static constexpr int tile = 4, step = 4, taps = weights, n = tile + taps - 1;  // outputs, inputs from tile to tile
  static constexpr std::array<double, n - 1> points() {
    if constexpr (taps == 3)
      return {0, 0.75, -0.75, 1.5, -1.5};
    else
      return {0, 1, -1, 2, -2, 0.5};
  }
  static constexpr Matrix<tile, n> output() {
    Matrix<tile, n> matrix{};
    for (int i = 0; i + 1 < n; ++i) {
      double power = 1;
      for (int j = 0; j < tile; ++j, power *= points()[i]) matrix[j][i] = static_cast<float>(power);
    }
    matrix[tile - 1][n - 1] = 1;
    return matrix;
  }
  static constexpr Matrix<n, taps> weight() {
    Matrix<n, taps> matrix{};
    for (int i = 0; i + 1 < n; ++i) {
      double value = 1;
      for (int j = 0; j + 1 < n; ++j)
        if (j != i) value /= points()[i] - points()[j];
      for (int k = 0; k < taps; ++k, value *= points()[i]) matrix[i][k] = static_cast<float>(value);
    }
    matrix[n - 1][taps - 1] = 1;
    return matrix;
  }
  /// Row i: coefficients of the product of (x - point j) over the points but i; the last row: over all.
  static constexpr Matrix<n, n> input() {
    Matrix<n, n> matrix{};
    for (int i = 0; i < n; ++i) {
      std::array<double, n> product{1};
      for (int j = 0; j + 1 < n; ++j) {
        if (j == i) continue;
        for (int k = n - 1; k >= 0; --k) product[k] = (k > 0 ? product[k - 1] : 0) - points()[j] * product[k];
      }
      for (int k = 0; k < n; ++k) matrix[i][k] = static_cast<float>(product[k]);
    }
    return matrix;
  }
};

/// Three taps over inputs that are each repeated: inside of c's repetitions all outputs are (g0 + g1 + g2) c, the first
/// one has g0 (b - c) more, the last one g2 (d - c), with b and d before and after c.
template <int repeats>
struct Repeated {
  static constexpr int tile = repeats, step = 1, taps = 3, n = 3;
  static constexpr Matrix<tile, n> output() {
    Matrix<tile, n> matrix{};
    for (int j = 0; j < tile; ++j) matrix[j][0] = 1;
    matrix[0][1] = matrix[tile - 1][2] = 1;
    return matrix;
  }
  static constexpr Matrix<n, taps> weight() { return {{{1, 1, 1}, {1, 0, 0}, {0, 0, 1}}}; }
  static constexpr Matrix<n, n> input() { return {{{0, 1, 0}, {1, -1, 0}, {0, -1, 1}}}; }
};

/// to[i] = sum over j of matrix[i][j] from[j], at strides; zeros of the matrix cost nothing.
template <typename Coefficients, int rows, int columns, int from_stride, int to_stride>
[[gnu::always_inline]] inline void apply(const __m256* from, __m256* to) {
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    __m256 sum = _mm256_setzero_ps();
    bool is_first = true;
#pragma GCC unroll 8
    for (int j = 0; j < columns; ++j) {
      const float factor = Coefficients::value[i][j];
      if (factor == 0) continue;
      const __m256 value = from[j * from_stride];
      if (is_first)
        sum = factor == 1 ? value : _mm256_mul_ps(value, _mm256_set1_ps(factor));
      else
        sum = factor == 1 ? _mm256_add_ps(sum, value) : _mm256_fmadd_ps(value, _mm256_set1_ps(factor), sum);
      is_first = false;
    }
    to[i * to_stride] = sum;
  }
}

/// matrix * from * matrix^T: from [columns][columns], to [rows][rows].
template <typename Coefficients, int rows, int columns>
[[gnu::always_inline]] inline void apply_both(const __m256* from, __m256* to) {
  __m256 half[columns * rows];
  for (int y = 0; y < columns; ++y) apply<Coefficients, rows, columns, 1, 1>(from + y * columns, half + y * rows);
  for (int x = 0; x < rows; ++x) apply<Coefficients, rows, columns, rows, rows>(half + x, to + x);
}

template <typename Points, typename T>
class Run {
  struct Input {
    static constexpr auto value = Points::input();
  };
  struct Weight {
    static constexpr auto value = Points::weight();
  };
  struct Output {
    static constexpr auto value = Points::output();
  };
  static constexpr int n = Points::n, taps = Points::taps, kTile = Points::tile, kPlanes = n * n;

 public:
  explicit Run(const WinogradConv& conv)
      : c_(conv),
        before_(conv.causal ? conv.kernel_depth - 1 : conv.kernel_depth / 2),
        parts_((conv.side + taps - 1) / taps),
        tiles_y_((conv.height + Points::step - 1) / Points::step),
        grid_x_((conv.width + Points::step - 1) / Points::step + parts_ - 1),
        chunk_y_(rows_of_chunk()),
        slice_((chunk_y_ + parts_ - 1) * grid_x_),
        stride_(round_up(conv.in, kColumns) + kApart),
        plane_(((conv.depth + conv.kernel_depth - 1) * slice_ + kRows) * stride_ + kApart),
        steps_(conv.kernel_depth * parts_ * parts_),
        panels_((conv.out + kColumns - 1) / kColumns),
        weight_plane_(steps_ * conv.in * kColumns + kApart),
        product_stride_(round_up(conv.out, kColumns) + kApart),
        product_plane_((conv.depth * slice_ + kRows) * product_stride_ + kApart),
        weights_(at::empty({panels_ * kPlanes * weight_plane_}, at::kFloat)),
        values_(at::empty({kPlanes * plane_}, at::kFloat)),
        products_(at::empty({kPlanes * product_plane_}, at::kFloat)) {}

  void operator()(const T* x, const T* weight, const float* bias, T* out) {
    transform_weights(weight);
    clear_margins();
    const int64_t image = c_.depth * c_.height * c_.width, repeats = kTile / Points::step;
    for (int64_t i = 0; i < c_.images; ++i)
      for (int64_t first = 0; first < tiles_y_; first += chunk_y_) {
        transform_input(x + i * image * c_.in, first);
        if (c_.repeats_ends) repeat_ends();
        multiply();
        transform_output(first, bias, out + i * image * repeats * repeats * c_.out);
      }
  }

 private:
  // Chunks of one size: the last one is computed in full.
  int64_t rows_of_chunk() const {
    const int64_t values = (c_.in + c_.out) * c_.depth * grid_x_ * tiles_y_,
                  most = std::max<int64_t>(1, tiles_y_ / std::min(2 * parts_, tiles_y_)),
                  chunks = std::clamp<int64_t>((values + kChunkValues / 2) / kChunkValues, 1, most);
    return (tiles_y_ + chunks - 1) / chunks;
  }

  /// Columns of a panel: no more than half of it where half is enough.
  int64_t width_of(int64_t panel) const { return c_.out - panel * kColumns <= kLanes ? kLanes : kColumns; }
  float* weights_of(int64_t panel, int64_t plane) const {
    return weight_values_ + (panel * kPlanes + plane) * weight_plane_;
  }

  // To [panel][plane][step][in][columns]; a step is a slice of the kernel's depth and one of its parts.
  void transform_weights(const T* weight) {
    const int64_t side = c_.side, own = c_.kernel_depth * side * side, depth = c_.in * own;
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> packed(static_cast<std::size_t>(depth * kColumns));
      __m256 taken[taps * taps], values[kPair][kPlanes];
      for (int64_t panel = begin; panel < end; ++panel) {
        const int64_t first = panel * kColumns, columns = width_of(panel);
        pack_transposed(weight + first * depth, depth, std::min(kColumns, c_.out - first), depth, packed.data());
        for (int64_t channel = 0; channel < c_.in; ++channel)
          for (int64_t step = 0; step < steps_; ++step) {
            const int64_t z = step / (parts_ * parts_), y0 = step / parts_ % parts_ * taps, x0 = step % parts_ * taps;
            const float* from = packed.data() + (channel * own + z * side * side) * kColumns;
            for (int64_t half = 0; half < columns / kLanes; ++half) {
              for (int64_t y = 0; y < taps; ++y)
                for (int64_t x = 0; x < taps; ++x)
                  taken[y * taps + x] = y0 + y < side && x0 + x < side
                                            ? load(from + ((y0 + y) * side + x0 + x) * kColumns + half * kLanes)
                                            : _mm256_setzero_ps();
              apply_both<Weight, n, taps>(taken, values[half]);
            }
            for (int64_t plane = 0; plane < kPlanes; ++plane)
              for (int64_t half = 0; half < columns / kLanes; ++half)
                store(weights_of(panel, plane) + (step * c_.in + channel) * columns + half * kLanes,
                      values[half][plane]);
          }
      }
    });
  }

  // Slices of zeros before and after the others; those of the chunks before stay.
  void clear_margins() {
    if (c_.repeats_ends) return;
    const int64_t slice = slice_ * stride_, after = before_ + c_.depth;
    for (int64_t plane = 0; plane < kPlanes; ++plane) {
      float* values = input_values_ + plane * plane_;
      std::fill_n(values, before_ * slice, 0.0f);
      std::fill_n(values + after * slice, (c_.kernel_depth - 1 - before_) * slice, 0.0f);
    }
  }

  // The first and the last transformed slice once more on both sides.
  void repeat_ends() {
    const int64_t slice = slice_ * stride_, last = before_ + c_.depth - 1;
    at::parallel_for(0, kPlanes, 4, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        float* values = input_values_ + plane * plane_;
        for (int64_t z = 0; z < before_; ++z) std::copy_n(values + before_ * slice, slice, values + z * slice);
        for (int64_t z = last + 1; z < c_.depth + c_.kernel_depth - 1; ++z)
          std::copy_n(values + last * slice, slice, values + z * slice);
      }
    });
  }

  // To [plane][depth and the slices of zeros around it][chunk's rows of tiles][grid_x][in], from tile row `first` on.
  void transform_input(const T* x, int64_t first) {
    const int64_t margin = c_.side / 2, rows = c_.depth * slice_;
    float* values = input_values_ + before_ * slice_ * stride_;
    at::parallel_for(0, rows, 8, [&](int64_t begin, int64_t end) {
      __m256 taken[kPlanes], out[kPair][kPlanes];
      for (int64_t row = begin; row < end; ++row) {
        const int64_t z = row / slice_, y0 = (first + row % slice_ / grid_x_) * Points::step - margin,
                      x0 = row % grid_x_ * Points::step - margin;
        const T* slice = x + z * c_.height * c_.width * c_.in;
        for (int64_t channel = 0; channel < c_.in; channel += kPair * kLanes) {
          for (int64_t half = 0; half < kPair; ++half) {
            const int64_t from = channel + half * kLanes;
            for (int64_t i = 0; i < n; ++i)
              for (int64_t j = 0; j < n; ++j) {
                const int64_t y = y0 + i, column = x0 + j;
                const bool is_inside = y >= 0 && y < c_.height && column >= 0 && column < c_.width;
                taken[i * n + j] = is_inside ? load_some(slice + (y * c_.width + column) * c_.in + from, c_.in - from)
                                             : _mm256_setzero_ps();
              }
            apply_both<Input, n, n>(taken, out[half]);
          }
          for (int64_t plane = 0; plane < kPlanes; ++plane)
            for (int64_t half = 0; half < kPair; ++half)
              store(values + plane * plane_ + row * stride_ + channel + half * kLanes, out[half][plane]);
        }
      }
    });
  }

  // A kernel of one part leaves no rows between those of two slices, so that a product may reach across them.
  void multiply() {
    const int64_t runs = parts_ == 1 ? 1 : c_.depth, rows = (parts_ == 1 ? c_.depth * chunk_y_ : chunk_y_) * grid_x_,
                  blocks = (panels_ + kBlockPanels - 1) / kBlockPanels;
    in_rounds(kPlanes * blocks, 2 * runs * rows * steps_ * c_.in * kBlockPanels * kColumns,
              [&](int64_t begin, int64_t end) {
                for (int64_t task = begin; task < end; ++task) {
                  const int64_t first = task % blocks * kBlockPanels, last = std::min(first + kBlockPanels, panels_);
                  for (int64_t run = 0; run < runs; ++run)
                    multiply_plane(task / blocks, run * slice_, rows, first, last);
                }
              });
  }

  void multiply_plane(int64_t plane, int64_t row, int64_t rows, int64_t first_panel, int64_t last_panel) {
    const float* values = input_values_ + plane * plane_ + row * stride_;
    float* products = product_values_ + plane * product_plane_ + row * product_stride_;
    const int64_t middle = before_ * parts_ * parts_;
    for (int64_t i = 0; i < steps_; ++i) {
      const int64_t step = (middle + i) % steps_;  // one that every row has comes first
      const int64_t z = step / (parts_ * parts_), y = step / parts_ % parts_, x = step % parts_;
      const int64_t shift = z * slice_ + y * grid_x_ + x, back = before_ - z;
      for (int64_t k = 0; k < c_.in; k += kDepthSlice) {
        const int64_t depth = std::min(kDepthSlice, c_.in - k);
        for (int64_t panel = first_panel; panel < last_panel; ++panel) {
          const int64_t width = width_of(panel);
          const auto multiply = pick(i > 0 || k > 0, width);
          const float* right = weights_of(panel, plane) + (step * c_.in + k) * width;
          for (int64_t r = 0; r < rows; r += kRows) {
            const bool is_zero = (row + r + kRows - 1) / slice_ < back || (row + r) / slice_ >= c_.depth + back;
            if (is_zero && !c_.repeats_ends) continue;
            multiply(depth, values + (r + shift) * stride_ + k, stride_, right,
                     products + r * product_stride_ + panel * kColumns, product_stride_);
          }
        }
      }
    }
  }

  static auto pick(bool add, int64_t width) {
    if (width == kLanes) return add ? multiply_tile<true, kLanes> : multiply_tile<false, kLanes>;
    return add ? multiply_tile<true> : multiply_tile<false>;
  }

  void transform_output(int64_t first, const float* bias, T* out) {
    const int64_t all_y = c_.height * kTile / Points::step, all_x = c_.width * kTile / Points::step;
    at::parallel_for(0, c_.depth * slice_, 8, [&](int64_t begin, int64_t end) {
      __m256 taken[kPlanes], values[kPair][kTile * kTile];
      for (int64_t row = begin; row < end; ++row) {
        const int64_t z = row / slice_, tile_y = row % slice_ / grid_x_;
        const int64_t y0 = (first + tile_y) * kTile, x0 = row % grid_x_ * kTile;
        if (tile_y >= chunk_y_) continue;
        const float* products = product_values_ + row * product_stride_;
        T* to = out + ((z * all_y + y0) * all_x + x0) * c_.out;
        for (int64_t channel = 0; channel < c_.out; channel += kPair * kLanes) {
          for (int64_t half = 0; half < kPair; ++half) {
            for (int64_t plane = 0; plane < kPlanes; ++plane)
              taken[plane] = load(products + plane * product_plane_ + channel + half * kLanes);
            apply_both<Output, kTile, n>(taken, values[half]);
          }
          for (int64_t y = 0; y < kTile && y0 + y < all_y; ++y)
            for (int64_t x = 0; x < kTile && x0 + x < all_x; ++x)
              for (int64_t half = 0; half < kPair; ++half) {
                const int64_t at = channel + half * kLanes, count = c_.out - at;
                const __m256 value = values[half][y * kTile + x];
                store_some(to + (y * all_x + x) * c_.out + at, count,
                           bias == nullptr ? value : _mm256_add_ps(value, load_some(bias + at, count)));
              }
        }
      }
    });
  }

  const WinogradConv c_;
  const int64_t before_;           // slices that an output sees before its own
  const int64_t parts_;            // of the kernel along an axis
  const int64_t tiles_y_;          // of outputs
  const int64_t grid_x_;           // tiles of inputs in a row: a part sees those of the outputs or the next ones
  const int64_t chunk_y_, slice_;  // rows of tiles of a chunk; tiles of inputs in a slice of it
  const int64_t stride_, plane_;   // values of a tile and of all tiles, at one pair of points
  const int64_t steps_, panels_, weight_plane_;
  const int64_t product_stride_, product_plane_;
  const at::Tensor weights_, values_, products_;
  float* const weight_values_ = weights_.mutable_data_ptr<float>();
  float* const input_values_ = values_.mutable_data_ptr<float>();
  float* const product_values_ = products_.mutable_data_ptr<float>();
};

}  // namespace

template <typename T>
void winograd_conv(const WinogradConv& conv, const T* x, const T* weight, const float* bias, T* out) {
  RUSHES_ASSERT(conv.kernel_depth % 2 == 1 && (conv.side == 3 || (conv.side == 7 && conv.repeats == 1)));
  if (conv.side == 7) return Run<ToomCook<4>, T>{conv}(x, weight, bias, out);
  if (conv.repeats == 1) return Run<ToomCook<3>, T>{conv}(x, weight, bias, out);
  if (conv.repeats == 2) return Run<Repeated<2>, T>{conv}(x, weight, bias, out);
  RUSHES_ASSERT(conv.repeats == 4);
  Run<Repeated<4>, T>{conv}(x, weight, bias, out);
}
template void winograd_conv<float>(const WinogradConv&, const float*, const float*, const float*, float*);
template void winograd_conv<Bf16>(const WinogradConv&, const Bf16*, const Bf16*, const float*, Bf16*);

}  // namespace rushes::tensor::kernels
