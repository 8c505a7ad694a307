#include "rushes/nn/attention.h"

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/nn/heads_view.h"

namespace rushes::nn {

namespace kernels = tensor::kernels;

at::Tensor stock_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return at::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2);
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  require(q.dim() == 4 && k.dim() == 4 && k.sizes() == v.sizes() && q.size(0) == k.size(0) && q.size(2) == k.size(2) &&
              q.size(3) == k.size(3) && k.size(1) > 0,
          ErrorCode::invalid_argument, "attention needs q [B, L, N, D] and k, v [B, M, N, D] with M > 0");
  if (!kernels_take(q, k, v)) {
    base::interruption_point();
    return stock_attention(q, k, v);
  }
  const kernels::AttentionShape shape{q.size(0), q.size(2), q.size(1), k.size(1), q.size(3)};
  const at::Tensor out = at::empty(q.sizes(), q.options());
  if (q.scalar_type() == at::kFloat) {
    kernels::flash_attention_f32(shape, heads_view<const float>(q), heads_view<const float>(k),
                                 heads_view<const float>(v), heads_view<float>(out));
    return out;
  }
  using kernels::Bf16;
  const bool products = kernels::has_bf16_products() && shape.head_size % kernels::kLanes == 0;
  const auto run = products ? kernels::flash_attention_bf16 : kernels::flash_attention_f32<Bf16>;
  run(shape, heads_view<const Bf16>(q), heads_view<const Bf16>(k), heads_view<const Bf16>(v), heads_view<Bf16>(out));
  return out;
}

}  // namespace rushes::nn
