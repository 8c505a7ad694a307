// When the kernels for few rows take a linear layer.
#pragma once
#include "rushes/nn/linear.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/kernels/cpu/few_rows.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {

/// On the CPU, in float32 or bfloat16, neither gradients nor libtorch's operators wanted.
inline bool kernels_take_rows(const at::Tensor& x, const at::Tensor& weight) {
  const auto dtype = x.scalar_type();
  return x.is_cpu() && weight.is_cpu() && (dtype == at::kFloat || dtype == at::kBFloat16) &&
         weight.scalar_type() == dtype && weight.is_contiguous() && weight.size(1) == x.size(-1) &&
         !(at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad())) && !StockOperators::wanted();
}

inline int64_t rows_of(const at::Tensor& x) { return x.size(-1) > 0 ? x.numel() / x.size(-1) : 0; }

inline bool are_few_rows(const at::Tensor& x, const at::Tensor& weight) {
  const int64_t rows = rows_of(x);
  return rows >= 1 && rows <= tensor::kernels::kFewRows && kernels_take_rows(x, weight);
}

/// [.., out] for x [.., in].
inline at::Tensor output_of(const at::Tensor& x, int64_t out) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out;
  return at::empty(shape, x.options());
}

template <typename T>
tensor::kernels::FewRowsLayer<T> few_rows_layer(const Linear& layer, const at::Tensor& out) {
  const auto pointer = [](const at::Tensor& t) { return reinterpret_cast<const T*>(t.const_data_ptr()); };
  return {.columns = layer.weight().size(0),
          .weight = pointer(layer.weight()),
          .bias = layer.bias().defined() ? pointer(layer.bias()) : nullptr,
          .out = out.defined() ? reinterpret_cast<T*>(out.mutable_data_ptr()) : nullptr};
}

/// run(T()) with the storage type of x.
template <typename Run>
auto by_storage(const at::Tensor& x, const Run& run) {
  return x.scalar_type() == at::kFloat ? run(float()) : run(tensor::kernels::Bf16());
}

}  // namespace rushes::nn
