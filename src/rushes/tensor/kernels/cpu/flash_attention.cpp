#include "rushes/tensor/kernels/cpu/flash_attention.h"

#include "rushes/tensor/kernels/cpu/attention_tiles.h"
#include "rushes/tensor/kernels/cpu/in_rounds.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kKeyBlock = 256;      // keys and values of a block, 2 x 128 KiB at D = 128, stay in L2
constexpr int64_t kQueryBlock = 1536;   // most rows that share one packing of a key block
constexpr int64_t kTasksPerThread = 4;  // fewer rows rather than idle threads

/// Buffers and steps of one thread. A task is one head and one block of queries.
template <typename T>
class Worker {
 public:
  Worker(const AttentionShape& shape, int64_t query_rows)
      : shape_(shape),
        depth_(shape.head_size),
        width_(value_width(shape.head_size)),
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
    for (int64_t row = 0; row < rows; ++row)
      store_scaled(out.row(b, first + row, head), out_.data() + row * width_, depth_, 1.0f / sum_[row]);
  }

 private:
  /// Scaled by log2(e) / sqrt(D), so that the softmax is a power of two. Rows beyond `rows` are zeros.
  void load_queries(const HeadsView<const T>& q, int64_t b, int64_t head, int64_t first, int64_t rows, int64_t padded) {
    const float scale = kLog2E / std::sqrt(static_cast<float>(depth_));
    for (int64_t row = 0; row < padded; ++row) {
      float* to = q_.data() + row * depth_;
      if (row < rows)
        load_query(q.row(b, first + row, head), depth_, scale, to);
      else
        std::fill(to, to + depth_, 0.0f);
    }
  }

  void pack(const HeadsView<const T>& k, const HeadsView<const T>& v, int64_t b, int64_t head, int64_t key,
            int64_t keys) {
    pack_keys(k.row(b, key, head), k.token_stride, keys, depth_, keys_.data());
    pack_values(v.row(b, key, head), v.token_stride, keys, depth_, kKeyBlock, values_.data());
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
    float* sums = out_.data() + row * width_;
    if (first_block)
      weigh_values<false>(keys, scores_.data(), kKeyBlock, values_.data(), depth_, kKeyBlock, sums);
    else
      weigh_values<true>(keys, scores_.data(), kKeyBlock, values_.data(), depth_, kKeyBlock, sums);
  }

  /// Scores to powers of two in place. Returns the factor by which what was summed so far shrinks.
  float soften(float* scores, int64_t row, int64_t keys, int64_t padded, bool first_block) {
    float top = largest_score(scores, keys, padded);
    if (!first_block) top = std::max(top, max_[row]);
    const float sum = powers_of_scores(scores, padded, top);
    const float factor = first_block ? 1.0f : std::exp2(max_[row] - top);
    sum_[row] = (first_block ? 0.0f : sum_[row] * factor) + sum;
    max_[row] = top;
    return factor;
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
  in_rounds(pairs * blocks, 4 * block * shape.keys * shape.head_size, [&](int64_t begin, int64_t end) {
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
