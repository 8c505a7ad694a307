// Attention over heads that also tells which key each query looks at most.
#pragma once
#include <ATen/core/Tensor.h>

namespace rushes::nn {

struct Matched {
  at::Tensor out;     // [B, L, N, D]
  at::Tensor best;    // [B, L] int64: for each query the key with the largest mean weight over the heads
  at::Tensor weight;  // [B, L]: that mean
};

/// As attention(); k and v may have batch 1, which serves all of q. On the CPU without gradients by our kernel, which
/// never has the N x L x M weights in memory; elsewhere by libtorch's operators, a tile of queries at a time.
Matched matching_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

/// libtorch's operators: the yardstick of tests and benchmarks.
Matched stock_matching_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace rushes::nn
