// Attention of ranges of queries over ranges of keys, differentiable: products of batches of matrices in the dtype of
// the tensors, which in bfloat16 run three times as fast as libtorch's fused attention, at the price of keeping the
// weights.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace rushes::training {

/// Queries [first, first + count) and the ranges of keys, [first, count], that they see.
struct Sight {
  int64_t first, count;
  std::vector<std::pair<int64_t, int64_t>> keys;
};
/// softmax(q k^T / sqrt(D)) v, each range of queries over its own keys; the ranges cover all queries in order.
/// q [B, N, L, D], k, v [B, N, M, D], one dtype. Returns [B, L, N D].
at::Tensor attend_in_sight(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::vector<Sight>& sights);

}  // namespace rushes::training
