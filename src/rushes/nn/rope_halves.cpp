#include "rushes/nn/rope_halves.h"

#include "rushes/base/error.h"
#include "rushes/nn/heads_view.h"
#include "rushes/tensor/kernels/cpu/token_passes.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {

RopeHalves::RopeHalves(int64_t length, int64_t head_size, at::Device device, double base) {
  require(head_size > 0 && head_size % 2 == 0, ErrorCode::invalid_argument,
          "rotary embedding needs an even head size, got {}", head_size);
  const at::TensorOptions wide(at::kFloat);
  const at::Tensor exponent = at::arange(0, head_size, 2, wide) / static_cast<double>(head_size);
  const at::Tensor angles = at::outer(at::arange(length, wide), at::reciprocal(at::pow(base, exponent)));
  const at::Tensor twice = at::cat({angles, angles}, 1);
  cos = at::cos(twice).to(device);
  sin = at::sin(twice).to(device);
}

at::Tensor rotate_halves(const at::Tensor& x, const RopeHalves& table) {
  const int64_t L = x.size(1), half = x.size(3) / 2;
  const auto of_tokens = [&](const at::Tensor& y) { return y.narrow(0, 0, L).unsqueeze(1); };  // [L, 1, D]
  const at::Tensor turned = at::cat({-x.narrow(3, half, half), x.narrow(3, 0, half)}, 3);
  return (x * of_tokens(table.cos) + turned * of_tokens(table.sin)).to(x.scalar_type());
}

at::Tensor rotate_halves(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t B = x.size(0), L = x.size(1), half = x.size(3) / 2;
  RUSHES_ASSERT(cos.size(-1) == half && cos.numel() == B * L * half && sin.numel() == cos.numel());
  const bool in_rows = B == 1 || x.stride(0) == L * x.stride(1);
  if (in_rows && kernels_take(x, x, x) && cos.is_contiguous() && sin.is_contiguous()) {
    const auto run = [&]<typename T>(T) {
      tensor::kernels::rotate_halves<T>({.tokens = B * L,
                                         .heads = x.size(2),
                                         .head_size = x.size(3),
                                         .x = reinterpret_cast<T*>(x.mutable_data_ptr()),
                                         .token_stride = x.stride(1),
                                         .head_stride = x.stride(2),
                                         .cos = cos.const_data_ptr<float>(),
                                         .sin = sin.const_data_ptr<float>()});
    };
    if (x.scalar_type() == at::kFloat)
      run(float());
    else
      run(tensor::kernels::Bf16());
    return x;
  }
  const at::Tensor c = cos.view({B, L, 1, half}), s = sin.view({B, L, 1, half});
  const at::Tensor low = x.narrow(3, 0, half), high = x.narrow(3, half, half);
  return at::cat({low * c - high * s, high * c + low * s}, 3).to(x.scalar_type());
}

}  // namespace rushes::nn
