// What stands between the products of a language model, one pass each: norm, rotation, attention of new tokens to those
// before them. T is the storage, float or Bf16; arithmetic is float32. All use the intra-op threads of libtorch.
#pragma once
#include <cstdint>

#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/kernels/cpu/simd.h"

namespace rushes::tensor::kernels {

/// out = x / sqrt(mean(x^2) + eps), rounded to T, times weight [C]: x, out [rows, C].
template <typename T>
void rms_norm_rows(int64_t rows, int64_t width, const T* x, const T* weight, float eps, T* out);

/// In place: each head [low | high] becomes [low cos - high sin | high cos + low sin].
template <typename T>
struct RotateHalves {
  int64_t tokens, heads, head_size;
  T* x;  // heads head_stride apart, tokens token_stride apart
  int64_t token_stride, head_stride;
  const float *cos, *sin;  // [tokens, head_size / 2]
};
template <typename T>
void rotate_halves(const RotateHalves<T>& pass);

/// softmax(q k^T / sqrt(D)) v for one query of each head; heads / kv_heads query heads share keys and values.
struct OneQueryShape {
  int64_t batch, heads, kv_heads, keys, head_size;
};
template <typename T>
void one_query_attention(const OneQueryShape& shape, const HeadsView<const T>& q, const HeadsView<const T>& k,
                         const HeadsView<const T>& v, const HeadsView<T>& out);

}  // namespace rushes::tensor::kernels
