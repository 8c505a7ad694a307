// Attention that also tells for each query which key it looks at most, without the matrix of weights in memory.
#pragma once
#include "rushes/tensor/kernels/cpu/flash_attention.h"

namespace rushes::tensor::kernels {

/// out = softmax(q k^T / sqrt(D)) v for each head, as flash_attention_f32(). best [B, L]: the key with the largest mean
/// weight over the heads (the first of equals); best_weight [B, L]: that mean. Keys and values of one source for the
/// whole batch have batch_stride 0. All in float32 arithmetic. Uses the intra-op threads of libtorch.
template <typename T>
void matching_attention(const AttentionShape& shape, const HeadsView<const T>& q, const HeadsView<const T>& k,
                        const HeadsView<const T>& v, const HeadsView<T>& out, int64_t* best, float* best_weight);

}  // namespace rushes::tensor::kernels
