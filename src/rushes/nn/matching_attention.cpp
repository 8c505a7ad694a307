#include "rushes/nn/matching_attention.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/heads_view.h"
#include "rushes/tensor/kernels/cpu/matching_attention.h"

namespace rushes::nn {
namespace {

namespace kernels = tensor::kernels;

/// Attention weights that exist at a time, in numbers: fits a core's share of the last cache.
constexpr int64_t kTileElements = 1 << 20;

template <typename T>
Matched by_kernel(const kernels::AttentionShape& shape, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  Matched matched{at::empty(q.sizes(), q.options()),
                  at::empty({shape.batch, shape.queries}, q.options().dtype(at::kLong)),
                  at::empty({shape.batch, shape.queries}, q.options().dtype(at::kFloat))};
  kernels::matching_attention(shape, heads_view<const T>(q), heads_view<const T>(k), heads_view<const T>(v),
                              heads_view<T>(matched.out), matched.best.mutable_data_ptr<int64_t>(),
                              matched.weight.mutable_data_ptr<float>());
  return matched;
}

}  // namespace

Matched stock_matching_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t B = q.size(0), L = q.size(1), N = q.size(2), keys = k.size(1);
  const at::Tensor rows_q = q.transpose(1, 2), columns_k = k.permute({0, 2, 3, 1}), rows_v = v.transpose(1, 2);
  const int64_t tile = std::max<int64_t>(kTileElements / (N * keys), 1);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  std::vector<at::Tensor> values, best, weights;
  for (int64_t b = 0; b < B; ++b) {
    const at::Tensor own_k = columns_k[k.size(0) == 1 ? 0 : b], own_v = rows_v[v.size(0) == 1 ? 0 : b];
    for (int64_t begin = 0; begin < L; begin += tile) {
      const at::Tensor rows = rows_q[b].narrow(1, begin, std::min(tile, L - begin));
      const at::Tensor p = at::softmax(at::matmul(rows, own_k) * scale, -1);  // [N, tile, keys]
      values.push_back(at::matmul(p, own_v).transpose(0, 1));                 // [tile, N, D]
      const auto [weight, index] = at::max(p.mean(0), -1);
      best.push_back(index);
      weights.push_back(weight);
    }
  }
  return {at::cat(values).view({B, L, N, -1}), at::cat(best).view({B, L}), at::cat(weights).view({B, L})};
}

Matched matching_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  require(q.dim() == 4 && k.dim() == 4 && k.sizes() == v.sizes() && (k.size(0) == 1 || k.size(0) == q.size(0)) &&
              q.size(2) == k.size(2) && q.size(3) == k.size(3) && k.size(1) > 0,
          ErrorCode::invalid_argument, "matching attention needs q [B, L, N, D] and k, v [B or 1, M, N, D] with M > 0");
  if (!kernels_take(q, k, v)) return stock_matching_attention(q, k, v);
  const kernels::AttentionShape shape{q.size(0), q.size(2), q.size(1), k.size(1), q.size(3)};
  const std::vector<int64_t> of_batch{q.size(0), -1, -1, -1};
  const auto run = q.scalar_type() == at::kFloat ? by_kernel<float> : by_kernel<kernels::Bf16>;
  return run(shape, q, k.expand(of_batch), v.expand(of_batch));
}

}  // namespace rushes::nn
