#include "rushes/models/ltx/time_sinusoid.h"

#include <cmath>

#include "rushes/tensor/ops.h"

namespace rushes::ltx {

at::Tensor time_sinusoid(const at::Tensor& t) {
  constexpr int64_t half = kTimeSinusoid / 2;
  const at::Tensor exponent = at::arange(half, at::TensorOptions(at::kFloat).device(t.device())) * -std::log(10000.0) /
                              static_cast<double>(half);
  const at::Tensor angle = t.to(at::kFloat).unsqueeze(-1) * at::exp(exponent);
  return at::cat({at::cos(angle), at::sin(angle)}, -1);
}

}  // namespace rushes::ltx
