// softmax(q k^T / sqrt(D)) v on the CPU without the matrix of scores in memory (arXiv:2205.14135).
#pragma once
#include <cstdint>

#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

/// [B, L, N, D] by strides in elements; D is contiguous.
template <typename T>
struct HeadsView {
  T* data;
  int64_t batch_stride, token_stride, head_stride;
  T* row(int64_t b, int64_t token, int64_t head) const {
    return data + b * batch_stride + token * token_stride + head * head_stride;
  }
};

struct AttentionShape {
  int64_t batch, heads, queries, keys, head_size;
};

/// All in float32 arithmetic, whatever the storage; T is float or Bf16. Any sizes from 1 on. out must not overlap the
/// inputs. Uses the intra-op threads of libtorch. Never throws for sizes; allocates its block buffers.
template <typename T>
void flash_attention_f32(const AttentionShape& shape, const HeadsView<const T>& q, const HeadsView<const T>& k,
                         const HeadsView<const T>& v, const HeadsView<T>& out);

/// bfloat16 products with float32 sums through libtorch's brgemm; the probabilities are rounded to bfloat16.
/// Only where has_bf16_products().
void flash_attention_bf16(const AttentionShape& shape, const HeadsView<const Bf16>& q, const HeadsView<const Bf16>& k,
                          const HeadsView<const Bf16>& v, const HeadsView<Bf16>& out);

/// AVX512-BF16 is there and may be used (base/instruction_set.h).
bool has_bf16_products();

}  // namespace rushes::tensor::kernels
