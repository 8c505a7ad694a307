#include "rushes/nn/grouped_attention.h"

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/nn/heads_view.h"
#include "rushes/tensor/kernels/cpu/token_passes.h"

namespace rushes::nn {
namespace {

namespace kernels = tensor::kernels;

template <typename T>
at::Tensor one_query(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const at::Tensor out = at::empty(q.sizes(), q.options());
  kernels::one_query_attention<T>({q.size(0), q.size(2), k.size(2), k.size(1), q.size(3)}, heads_view<const T>(q),
                                  heads_view<const T>(k), heads_view<const T>(v), heads_view<T>(out));
  return out;
}

/// [B, M, G, D] as [B, N, M, D]: each group's once for each of its heads.
at::Tensor by_head(const at::Tensor& x, int64_t heads) {
  const int64_t groups = x.size(2);
  const at::Tensor by_group = x.transpose(1, 2);
  if (groups == heads) return by_group;
  return by_group.unsqueeze(2)
      .expand({-1, -1, heads / groups, -1, -1})
      .reshape({x.size(0), heads, x.size(1), x.size(3)});
}

at::Tensor by_operator(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t L = q.size(1), M = k.size(1), heads = q.size(2);
  std::optional<at::Tensor> seen;  // for each query, the keys; none where `causal` says it
  const bool causal = L == M && L > 1;
  if (!causal && L > 1) seen = at::tril(at::ones({L, M}, at::TensorOptions(at::kBool).device(q.device())), M - L);
  return at::scaled_dot_product_attention(q.transpose(1, 2), by_head(k, heads), by_head(v, heads), seen, 0.0, causal)
      .transpose(1, 2);
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  require(q.dim() == 4 && k.dim() == 4 && k.sizes() == v.sizes() && q.size(0) == k.size(0) && q.size(3) == k.size(3) &&
              k.size(2) > 0 && q.size(2) % k.size(2) == 0 && k.size(1) >= q.size(1),
          ErrorCode::invalid_argument,
          "causal attention needs q [B, L, N, D] and k, v [B, M, G, D] with M >= L and N a multiple of G");
  base::interruption_point();
  if (q.size(1) == 1 && kernels_take(q, k, v))
    return q.scalar_type() == at::kFloat ? one_query<float>(q, k, v) : one_query<kernels::Bf16>(q, k, v);
  const bool widened = q.is_cpu() && q.scalar_type() == at::kBFloat16 && !kernels::has_bf16_products() &&
                       !StockOperators::wanted() && !wants_gradients(q, k, v);
  if (widened) return by_operator(q.to(at::kFloat), k.to(at::kFloat), v.to(at::kFloat)).to(q.scalar_type());
  return by_operator(q, k, v);
}

}  // namespace rushes::nn
