#include "rushes/tensor/kernels/cpu/matching_attention.h"

#include "rushes/tensor/kernels/cpu/attention_tiles.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor::kernels {
namespace {

constexpr int64_t kMeanElements = 1 << 16;  // mean weights of a task's rows: 256 KiB stay in L2
constexpr int64_t kMostRows = 96;

/// Keys and values of all heads of all sources, packed once for all queries.
struct PackedSource {
  template <typename T>
  PackedSource(const AttentionShape& shape, const HeadsView<const T>& k, const HeadsView<const T>& v)
      : heads(shape.heads),
        keys(shape.keys),
        depth(shape.head_size),
        padded(round_up(shape.keys, kColumns)),
        width(value_width(shape.head_size)),
        is_shared(k.batch_stride == 0 && v.batch_stride == 0) {
    const int64_t pairs = (is_shared ? 1 : shape.batch) * heads;
    packed_keys.resize(pairs * padded * depth);
    packed_values.resize(pairs * keys * width);
    at::parallel_for(0, pairs, 1, [&](int64_t begin, int64_t end) {
      for (int64_t pair = begin; pair < end; ++pair) {
        pack_keys(k.row(pair / heads, 0, pair % heads), k.token_stride, keys, depth,
                  packed_keys.data() + pair * padded * depth);
        pack_values(v.row(pair / heads, 0, pair % heads), v.token_stride, keys, depth, keys,
                    packed_values.data() + pair * keys * width);
      }
    });
  }
  const float* keys_of(int64_t b, int64_t head) const { return packed_keys.data() + pair(b, head) * padded * depth; }
  const float* values_of(int64_t b, int64_t head) const { return packed_values.data() + pair(b, head) * keys * width; }
  int64_t pair(int64_t b, int64_t head) const { return (is_shared ? 0 : b) * heads + head; }

  int64_t heads, keys, depth, padded, width;
  bool is_shared;
  std::vector<float> packed_keys, packed_values;
};

/// Buffers and steps of one thread. A task is a block of queries of one sample, all heads.
template <typename T>
class Worker {
 public:
  Worker(const PackedSource& source, int64_t rows)
      : source_(source),
        q_(kRows * source.depth),
        scores_(kRows * source.padded),
        sums_(kRows * source.width),
        mean_(rows * source.padded) {}

  void run(int64_t b, int64_t first, int64_t rows, const HeadsView<const T>& q, const HeadsView<T>& out, int64_t* best,
           float* best_weight) {
    std::fill(mean_.begin(), mean_.end(), 0.0f);
    for (int64_t head = 0; head < source_.heads; ++head)
      for (int64_t row = 0; row < rows; row += kRows)
        strip(b, head, first + row, std::min(kRows, rows - row), q, out, mean_.data() + row * source_.padded);
    for (int64_t row = 0; row < rows; ++row) {
      const float* mean = mean_.data() + row * source_.padded;
      // Padded keys have no weight at all.
      __m256 largest = load(mean);
      for (int64_t i = kLanes; i < source_.padded; i += kLanes) largest = _mm256_max_ps(largest, load(mean + i));
      best_weight[row] = max_lanes(largest);
      best[row] = std::find(mean, mean + source_.keys, best_weight[row]) - mean;
    }
  }

 private:
  /// Up to six queries of one head: their outputs, and their weights added to the means.
  void strip(int64_t b, int64_t head, int64_t first, int64_t rows, const HeadsView<const T>& q, const HeadsView<T>& out,
             float* mean) {
    const int64_t depth = source_.depth, padded = source_.padded, width = source_.width;
    const float scale = kLog2E / std::sqrt(static_cast<float>(depth));
    for (int64_t r = 0; r < rows; ++r) load_query(q.row(b, first + r, head), depth, scale, q_.data() + r * depth);
    const float* keys = source_.keys_of(b, head);
    for (int64_t i = 0; i < padded; i += kColumns)
      multiply_tile<false>(depth, q_.data(), depth, keys + i * depth, scores_.data() + i, padded);
    float inverse[kRows] = {};
    for (int64_t r = 0; r < rows; ++r) {
      float* scores = scores_.data() + r * padded;
      inverse[r] = 1.0f / powers_of_scores(scores, padded, largest_score(scores, source_.keys, padded));
      const __m256 share = _mm256_set1_ps(inverse[r] / static_cast<float>(source_.heads));
      for (int64_t i = 0; i < padded; i += kLanes) {
        float* to = mean + r * padded + i;
        store(to, _mm256_fmadd_ps(load(scores + i), share, load(to)));
      }
    }
    weigh_values<false>(source_.keys, scores_.data(), padded, source_.values_of(b, head), depth, source_.keys,
                        sums_.data());
    for (int64_t r = 0; r < rows; ++r)
      store_scaled(out.row(b, first + r, head), sums_.data() + r * width, depth, inverse[r]);
  }

  const PackedSource& source_;
  std::vector<float> q_, scores_, sums_, mean_;  // queries of a strip beyond its rows are left as they are
};

}  // namespace

template <typename T>
void matching_attention(const AttentionShape& shape, const HeadsView<const T>& q, const HeadsView<const T>& k,
                        const HeadsView<const T>& v, const HeadsView<T>& out, int64_t* best, float* best_weight) {
  const PackedSource source(shape, k, v);
  const int64_t rows = std::clamp(kMeanElements / source.padded / kRows * kRows, kRows, kMostRows);
  const int64_t blocks = (shape.queries + rows - 1) / rows;
  at::parallel_for(0, shape.batch * blocks, 1, [&](int64_t begin, int64_t end) {
    Worker<T> worker(source, rows);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / blocks, first = task % blocks * rows, at = b * shape.queries + first;
      worker.run(b, first, std::min(rows, shape.queries - first), q, out, best + at, best_weight + at);
    }
  });
}

template void matching_attention<float>(const AttentionShape&, const HeadsView<const float>&,
                                        const HeadsView<const float>&, const HeadsView<const float>&,
                                        const HeadsView<float>&, int64_t*, float*);
template void matching_attention<Bf16>(const AttentionShape&, const HeadsView<const Bf16>&,
                                       const HeadsView<const Bf16>&, const HeadsView<const Bf16>&,
                                       const HeadsView<Bf16>&, int64_t*, float*);

}  // namespace rushes::tensor::kernels
