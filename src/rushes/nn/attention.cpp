#include "rushes/nn/attention.h"

#include "rushes/base/error.h"
#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

namespace kernels = tensor::kernels;

template <typename T>
kernels::HeadsView<T> view(const at::Tensor& x) {
  T* data = const_cast<T*>(reinterpret_cast<const T*>(x.const_data_ptr()));
  return {data, x.stride(0), x.stride(1), x.stride(2)};
}

bool wants_gradients(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
}

bool ours(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto dtype = q.scalar_type();
  const auto fits = [&](const at::Tensor& x) { return x.scalar_type() == dtype && x.is_cpu() && x.stride(3) == 1; };
  return (dtype == at::kFloat || dtype == at::kBFloat16) && fits(q) && fits(k) && fits(v) && !wants_gradients(q, k, v);
}

}  // namespace

at::Tensor stock_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return at::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2);
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  require(q.dim() == 4 && k.dim() == 4 && k.sizes() == v.sizes() && q.size(0) == k.size(0) && q.size(2) == k.size(2) &&
              q.size(3) == k.size(3) && k.size(1) > 0,
          ErrorCode::invalid_argument, "attention needs q [B, L, N, D] and k, v [B, M, N, D] with M > 0");
  if (!ours(q, k, v)) return stock_attention(q, k, v);
  const kernels::AttentionShape shape{q.size(0), q.size(2), q.size(1), k.size(1), q.size(3)};
  const at::Tensor out = at::empty(q.sizes(), q.options());
  if (q.scalar_type() == at::kFloat) {
    kernels::flash_attention_f32(shape, view<const float>(q), view<const float>(k), view<const float>(v),
                                 view<float>(out));
    return out;
  }
  using kernels::Bf16;
  const bool products = kernels::has_bf16_products() && shape.head_size % kernels::kLanes == 0;
  const auto run = products ? kernels::flash_attention_bf16 : kernels::flash_attention_f32<Bf16>;
  run(shape, view<const Bf16>(q), view<const Bf16>(k), view<const Bf16>(v), view<Bf16>(out));
  return out;
}

}  // namespace rushes::nn
