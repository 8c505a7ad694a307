// How the training operations get at the rows of float32 and bfloat16 tensors.
#pragma once
#include "rushes/base/error.h"
#include "rushes/tensor/kernels/cpu/simd.h"
#include "rushes/tensor/ops.h"

namespace rushes::training::rows {

/// Calls work(T{}) with the storage type of `type`, float32 or bfloat16.
template <typename Work>
void with_storage(at::ScalarType type, Work work) {
  RUSHES_ASSERT(type == at::kFloat || type == at::kBFloat16);
  if (type == at::kFloat)
    work(float{});
  else
    work(tensor::kernels::Bf16{});
}

template <typename T>
const T* read(const at::Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}
template <typename T>
T* write(const at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

inline __m256 splat(float x) { return _mm256_set1_ps(x); }

}  // namespace rushes::training::rows
