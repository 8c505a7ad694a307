#include "rushes/tensor/kernels/cpu/flash_attention.h"

#include "rushes/tensor/kernels/cpu/micro_gemm.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kKeyBlock = 256;      // keys and values of a block, 2 x 128 KiB at D = 128, stay in L2
constexpr int64_t kQueryBlock = 1536;   // most rows that share one packing of a key block
constexpr int64_t kTasksPerThread = 4;  // fewer rows rather than idle threads

constexpr int64_t kAhead = 8;  // rows between a prefetch and its use

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/// Buffers and steps of one thread. A task is one head and one block of queries.
template <typename T>
class Worker {
 public:
  Worker(const AttentionShape& shape, int64_t query_rows)
      : shape_(shape),
        depth_(shape.head_size),
        width_(round_up(shape.head_size, kColumns)),
        q_(query_rows * depth_),
        out_(query_rows * width_),
        max_(query_rows),
        sum_(query_rows),
        keys_(kKeyBlock * depth_),
        values_(kKeyBlock * width_),
        scores_(kRows * kKeyBlock) {}

  void run(int64_t b, int64_t head, int64_t first, int64_t rows, const HeadsView<const T>& q,
           const HeadsView<const T>& k, const HeadsView<const T>& v, const HeadsView<T>& out) {
    const int64_t padded = round_up(rows, kRows);
    load_queries(q, b, head, first, rows, padded);
    for (int64_t key = 0; key < shape_.keys; key += kKeyBlock) {
      const int64_t keys = std::min(kKeyBlock, shape_.keys - key);
      pack(k, v, b, head, key, keys);
      for (int64_t row = 0; row < padded; row += kRows) strip(row, keys, key == 0);
    }
    for (int64_t row = 0; row < rows; ++row) store_row(out.row(b, first + row, head), row);
  }

 private:
  /// Rows of other heads lie between those of one head, too far apart for the hardware's own prefetching. A prefetch
  /// beyond the last key is harmless.
  void prefetch(const T* row) const {
    constexpr int64_t kLine = 64 / sizeof(T);
    for (int64_t d = 0; d < depth_; d += kLine) _mm_prefetch(reinterpret_cast<const char*>(row + d), _MM_HINT_T0);
  }

  /// Scaled by log2(e) / sqrt(D), so that the softmax is a power of two. Rows beyond `rows` are zeros.
  void load_queries(const HeadsView<const T>& q, int64_t b, int64_t head, int64_t first, int64_t rows, int64_t padded) {
    const float scale = 1.4426950408889634f / std::sqrt(static_cast<float>(depth_));
    for (int64_t row = 0; row < padded; ++row) {
      float* to = q_.data() + row * depth_;
      if (row >= rows) {
        std::fill(to, to + depth_, 0.0f);
        continue;
      }
      const T* from = q.row(b, first + row, head);
      for (int64_t d = 0; d < depth_; ++d) to[d] = widen(from[d]) * scale;
    }
  }

  void pack(const HeadsView<const T>& k, const HeadsView<const T>& v, int64_t b, int64_t head, int64_t key,
            int64_t keys) {
    for (int64_t i = 0; i < keys; i += kColumns) {
      for (int64_t next = 0; next < kColumns; ++next)
        prefetch(k.row(b, key + i, head) + (kColumns + next) * k.token_stride);
      pack_transposed(k.row(b, key + i, head), k.token_stride, std::min(kColumns, keys - i), depth_,
                      keys_.data() + i * depth_);
    }
    for (int64_t i = 0; i < keys; ++i) {
      const T* from = v.row(b, key + i, head);
      prefetch(from + kAhead * v.token_stride);
      for (int64_t d = 0; d < width_; d += kLanes) {
        float* to = values_.data() + (d / kColumns * kKeyBlock + i) * kColumns + d % kColumns;
        if (d + kLanes <= depth_) {
          store(to, load(from + d));
        } else {
          for (int64_t lane = 0; lane < kLanes; ++lane) to[lane] = d + lane < depth_ ? widen(from[d + lane]) : 0.0f;
        }
      }
    }
  }

  /// Six queries against the packed keys: scores, their powers, and the weighted values added to the running sums.
  void strip(int64_t row, int64_t keys, bool first_block) {
    const int64_t padded = round_up(keys, kColumns);
    for (int64_t i = 0; i < padded; i += kColumns)
      multiply_tile<false>(depth_, q_.data() + row * depth_, depth_, keys_.data() + i * depth_, scores_.data() + i,
                           kKeyBlock);
    for (int64_t r = 0; r < kRows; ++r) {
      const float factor = soften(scores_.data() + r * kKeyBlock, row + r, keys, padded, first_block);
      float* sums = out_.data() + (row + r) * width_;
      if (factor != 1.0f)
        for (int64_t d = 0; d < width_; d += kLanes)
          store(sums + d, _mm256_mul_ps(load(sums + d), _mm256_set1_ps(factor)));
    }
    for (int64_t d = 0; d < width_; d += kColumns) {
      const float* packed = values_.data() + d * kKeyBlock;
      float* sums = out_.data() + row * width_ + d;
      if (first_block)
        multiply_tile<false>(keys, scores_.data(), kKeyBlock, packed, sums, width_);
      else
        multiply_tile<true>(keys, scores_.data(), kKeyBlock, packed, sums, width_);
    }
  }

  /// Scores to powers of two in place. Returns the factor by which what was summed so far shrinks.
  float soften(float* scores, int64_t row, int64_t keys, int64_t padded, bool first_block) {
    for (int64_t i = keys; i < padded; ++i) scores[i] = -INFINITY;
    __m256 largest = load(scores), second = load(scores + kLanes);
    for (int64_t i = kColumns; i < padded; i += kColumns) {
      largest = _mm256_max_ps(largest, load(scores + i));
      second = _mm256_max_ps(second, load(scores + i + kLanes));
    }
    float top = max_lanes(_mm256_max_ps(largest, second));
    if (!first_block) top = std::max(top, max_[row]);
    const __m256 shift = _mm256_set1_ps(top);
    __m256 total = _mm256_setzero_ps(), other = _mm256_setzero_ps();
    for (int64_t i = 0; i < padded; i += kColumns) {
      const __m256 a = exp2(_mm256_sub_ps(load(scores + i), shift));
      const __m256 b = exp2(_mm256_sub_ps(load(scores + i + kLanes), shift));
      store(scores + i, a);
      store(scores + i + kLanes, b);
      total = _mm256_add_ps(total, a);
      other = _mm256_add_ps(other, b);
    }
    const float factor = first_block ? 1.0f : std::exp2(max_[row] - top);
    sum_[row] = (first_block ? 0.0f : sum_[row] * factor) + sum_lanes(_mm256_add_ps(total, other));
    max_[row] = top;
    return factor;
  }

  void store_row(T* to, int64_t row) const {
    const float inverse = 1.0f / sum_[row];
    const float* from = out_.data() + row * width_;
    int64_t d = 0;
    for (; d + kLanes <= depth_; d += kLanes) store(to + d, _mm256_mul_ps(load(from + d), _mm256_set1_ps(inverse)));
    for (; d < depth_; ++d) to[d] = narrow<T>(from[d] * inverse);
  }

  const AttentionShape& shape_;
  int64_t depth_, width_;  // D, and D rounded up to whole tiles
  std::vector<float> q_, out_, max_, sum_, keys_, values_, scores_;
};

}  // namespace

template <typename T>
void flash_attention_f32(const AttentionShape& shape, const HeadsView<const T>& q, const HeadsView<const T>& k,
                         const HeadsView<const T>& v, const HeadsView<T>& out) {
  // Enough tasks for the threads where there are few heads and queries, else large blocks.
  const int64_t pairs = shape.batch * shape.heads, threads = at::get_num_threads();
  const int64_t wanted =
      std::max((kTasksPerThread * threads + pairs - 1) / pairs, (shape.queries + kQueryBlock - 1) / kQueryBlock);
  const int64_t block = round_up((shape.queries + wanted - 1) / wanted, kRows);
  const int64_t blocks = (shape.queries + block - 1) / block;
  at::parallel_for(0, pairs * blocks, 1, [&](int64_t begin, int64_t end) {
    Worker<T> worker(shape, block);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t pair = task / blocks, first = task % blocks * block;
      worker.run(pair / shape.heads, pair % shape.heads, first, std::min(block, shape.queries - first), q, k, v, out);
    }
  });
}

template void flash_attention_f32<float>(const AttentionShape&, const HeadsView<const float>&,
                                         const HeadsView<const float>&, const HeadsView<const float>&,
                                         const HeadsView<float>&);
template void flash_attention_f32<Bf16>(const AttentionShape&, const HeadsView<const Bf16>&,
                                        const HeadsView<const Bf16>&, const HeadsView<const Bf16>&,
                                        const HeadsView<Bf16>&);

}  // namespace rushes::tensor::kernels
