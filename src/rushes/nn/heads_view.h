// Tensors as the CPU kernels of attention see them.
#pragma once
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {

/// [B, L, N, D] by its strides.
template <typename T>
tensor::kernels::HeadsView<T> heads_view(const at::Tensor& x) {
  T* data = const_cast<T*>(reinterpret_cast<const T*>(x.const_data_ptr()));
  return {data, x.stride(0), x.stride(1), x.stride(2)};
}

inline bool wants_gradients(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
}

/// The kernels can take them: on the CPU, in float32 or bfloat16, the last axis contiguous, neither gradients nor
/// libtorch's operators wanted.
inline bool kernels_take(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto dtype = q.scalar_type();
  const auto fits = [&](const at::Tensor& x) { return x.scalar_type() == dtype && x.is_cpu() && x.stride(3) == 1; };
  return (dtype == at::kFloat || dtype == at::kBFloat16) && fits(q) && fits(k) && fits(v) &&
         !wants_gradients(q, k, v) && !StockOperators::wanted();
}

}  // namespace rushes::nn
