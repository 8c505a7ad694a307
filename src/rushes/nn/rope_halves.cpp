#include "rushes/nn/rope_halves.h"

#include "rushes/base/error.h"
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

}  // namespace rushes::nn
