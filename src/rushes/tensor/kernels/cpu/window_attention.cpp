#include "rushes/tensor/kernels/cpu/window_attention.h"

#include "rushes/tensor/kernels/cpu/attention_tiles.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr float kHidden = -100.0f * kLog2E;

/// Buffers and steps of one thread. A task is one window, all heads.
template <typename T>
class Worker {
 public:
  explicit Worker(const WindowShape& shape)
      : shape_(shape),
        cells_(shape.window * shape.window),
        padded_(round_up(cells_, kColumns)),
        depth_(shape.head_size),
        width_(value_width(shape.head_size)),
        at_(cells_),
        region_(padded_),
        gathered_(cells_ * depth_),
        q_(round_up(cells_, kRows) * depth_),
        keys_(padded_ * depth_),
        values_(cells_ * width_),
        scores_(kRows * padded_),
        sums_(kRows * width_) {}

  void run(int64_t b, int64_t window_row, int64_t window_column, const T* q, const T* k, const T* v, const float* bias,
           T* out) {
    place(b, window_row, window_column);
    const int64_t windows = shape_.side / shape_.window;
    const bool wraps = shape_.shift > 0 && (window_row + 1 == windows || window_column + 1 == windows);
    const float scale = kLog2E / std::sqrt(static_cast<float>(depth_));
    for (int64_t head = 0; head < shape_.heads; ++head) {
      gather(q, head, scale, q_.data());
      gather(k, head, 1.0f, gathered_.data());
      pack_keys(gathered_.data(), depth_, cells_, depth_, keys_.data());
      gather(v, head, 1.0f, gathered_.data());
      pack_values(gathered_.data(), depth_, cells_, depth_, cells_, values_.data());
      for (int64_t row = 0; row < cells_; row += kRows)
        strip(row, std::min(kRows, cells_ - row), bias + head * cells_ * cells_, wraps, out + head * depth_);
    }
  }

 private:
  /// Where the window's cells lie in the map, and which side of its edge they come from.
  void place(int64_t b, int64_t window_row, int64_t window_column) {
    const int64_t side = shape_.side, w = shape_.window, C = shape_.heads * depth_;
    for (int64_t cell = 0; cell < cells_; ++cell) {
      const int64_t y = window_row * w + cell / w + shape_.shift, x = window_column * w + cell % w + shape_.shift;
      at_[cell] = ((b * side + y % side) * side + x % side) * C;
      region_[cell] = static_cast<float>(2 * (y >= side) + (x >= side));
    }
  }

  void gather(const T* map, int64_t head, float factor, float* to) const {
    for (int64_t cell = 0; cell < cells_; ++cell)
      load_query(map + at_[cell] + head * depth_, depth_, factor, to + cell * depth_);
  }

  /// Up to six cells of one head as queries.
  void strip(int64_t row, int64_t rows, const float* bias, bool wraps, T* out) {
    for (int64_t i = 0; i < padded_; i += kColumns)
      multiply_tile<false>(depth_, q_.data() + row * depth_, depth_, keys_.data() + i * depth_, scores_.data() + i,
                           padded_);
    float inverse[kRows] = {};
    for (int64_t r = 0; r < rows; ++r) {
      float* scores = scores_.data() + r * padded_;
      add_bias(scores, bias + (row + r) * cells_);
      if (wraps) hide_others(scores, region_[row + r]);
      inverse[r] = 1.0f / powers_of_scores(scores, padded_, largest_score(scores, cells_, padded_));
    }
    weigh_values<false>(cells_, scores_.data(), padded_, values_.data(), depth_, cells_, sums_.data());
    for (int64_t r = 0; r < rows; ++r) store_scaled(out + at_[row + r], sums_.data() + r * width_, depth_, inverse[r]);
  }

  void add_bias(float* scores, const float* bias) const {
    int64_t i = 0;
    for (; i + kLanes <= cells_; i += kLanes)
      store(scores + i, _mm256_fmadd_ps(load(bias + i), _mm256_set1_ps(kLog2E), load(scores + i)));
    for (; i < cells_; ++i) scores[i] += bias[i] * kLog2E;
  }

  void hide_others(float* scores, float region) const {
    const __m256 own = _mm256_set1_ps(region), hidden = _mm256_set1_ps(kHidden);
    for (int64_t i = 0; i < padded_; i += kLanes) {
      const __m256 other = _mm256_cmp_ps(load(region_.data() + i), own, _CMP_NEQ_OQ);
      store(scores + i, _mm256_add_ps(load(scores + i), _mm256_and_ps(other, hidden)));
    }
  }

  const WindowShape& shape_;
  int64_t cells_, padded_, depth_, width_;
  std::vector<int64_t> at_;
  std::vector<float> region_, gathered_, q_, keys_, values_, scores_, sums_;
};

}  // namespace

template <typename T>
void window_attention(const WindowShape& shape, const T* q, const T* k, const T* v, const float* bias, T* out) {
  const int64_t windows = shape.side / shape.window, per_map = windows * windows;
  at::parallel_for(0, shape.batch * per_map, 1, [&](int64_t begin, int64_t end) {
    Worker<T> worker(shape);
    for (int64_t task = begin; task < end; ++task)
      worker.run(task / per_map, task % per_map / windows, task % windows, q, k, v, bias, out);
  });
}

template void window_attention<float>(const WindowShape&, const float*, const float*, const float*, const float*,
                                      float*);
template void window_attention<Bf16>(const WindowShape&, const Bf16*, const Bf16*, const Bf16*, const float*, Bf16*);

}  // namespace rushes::tensor::kernels
