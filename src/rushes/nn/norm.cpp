#include "rushes/nn/norm.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/kernels/cpu/token_passes.h"
#include "rushes/tensor/kernels/cpu/transformer_kernels.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

/// [B, L, C] seen as [B, F, L / F, C].
at::Tensor by_frame(const at::Tensor& x, const at::Tensor& per_frame) {
  const int64_t latent_frames = per_frame.size(1);
  require(x.size(1) % latent_frames == 0, ErrorCode::invalid_argument,
          "{} tokens cannot be shared among {} latent frames", x.size(1), latent_frames);
  return x.reshape({x.size(0), latent_frames, x.size(1) / latent_frames, x.size(2)});
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const auto dtype = x.scalar_type();
  const auto plain = [&](const at::Tensor& t) {
    return t.is_cpu() && t.scalar_type() == dtype && t.is_contiguous() &&
           !(at::GradMode::is_enabled() && t.requires_grad());
  };
  if ((dtype == at::kFloat || dtype == at::kBFloat16) && plain(x) && plain(weight) && weight.dim() == 1 &&
      weight.size(0) == x.size(-1) && !StockOperators::wanted()) {
    const at::Tensor out = at::empty_like(x);
    const auto run = [&]<typename T>(T) {
      tensor::kernels::rms_norm_rows<T>(x.numel() / std::max<int64_t>(x.size(-1), 1), x.size(-1),
                                        reinterpret_cast<const T*>(x.const_data_ptr()),
                                        reinterpret_cast<const T*>(weight.const_data_ptr()), static_cast<float>(eps),
                                        reinterpret_cast<T*>(out.mutable_data_ptr()));
    };
    if (dtype == at::kFloat)
      run(float());
    else
      run(tensor::kernels::Bf16());
    return out;
  }
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(at::mean(wide * wide, {-1}, /*keepdim=*/true) + eps);
  return (wide * scale).to(x.scalar_type()) * weight;
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  const auto plain = [](const at::Tensor& t) {
    return t.defined() && t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous() &&
           !(at::GradMode::is_enabled() && t.requires_grad());
  };
  if (!plain(x) || !plain(weight) || !plain(bias) || StockOperators::wanted())
    return at::layer_norm(x, {x.size(-1)}, weight, bias, eps);
  const int64_t C = x.size(-1), rows = x.numel() / C;
  const at::Tensor out = at::empty_like(x);
  tensor::kernels::residual_norm<float>({.rows = rows,
                                         .width = C,
                                         .rows_per_frame = std::max<int64_t>(rows, 1),
                                         .x = const_cast<float*>(x.const_data_ptr<float>()),  // only read without y
                                         .scale = weight.const_data_ptr<float>(),
                                         .shift = bias.const_data_ptr<float>(),
                                         .out = out.mutable_data_ptr<float>(),
                                         .eps = static_cast<float>(eps)});
  return out;
}

at::Tensor modulate(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  return at::addcmul(shift.unsqueeze(2), by_frame(x, scale), (scale + 1).unsqueeze(2)).reshape(x.sizes());
}

at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate) {
  return at::addcmul(by_frame(x, gate), by_frame(y, gate), gate.unsqueeze(2)).reshape(x.sizes());
}

}  // namespace rushes::nn
