#include "rushes/nn/ode.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

at::Tensor increment(const VelocityField& v, const at::Tensor& y, float t, float dt, OdeMethod method) {
  const at::Tensor k1 = v(t, y);
  switch (method) {
    case OdeMethod::euler: return k1 * dt;
    case OdeMethod::midpoint: return v(t + 0.5f * dt, y + k1 * (0.5f * dt)) * dt;
    case OdeMethod::rk4: break;
  }
  const at::Tensor k2 = v(t + dt / 3, y + k1 * (dt / 3));
  const at::Tensor k3 = v(t + dt * 2 / 3, y + (k2 - k1 / 3) * dt);
  const at::Tensor k4 = v(t + dt, y + (k1 - k2 + k3) * dt);
  return (k1 + (k2 + k3) * 3 + k4) * (dt / 8);
}

}  // namespace

OdeMethod ode_method(std::string_view name) {
  if (name == "euler") return OdeMethod::euler;
  if (name == "midpoint") return OdeMethod::midpoint;
  if (name == "rk4") return OdeMethod::rk4;
  fail(ErrorCode::invalid_argument, "'{}' is not an ODE method; use euler, midpoint or rk4", name);
}

std::vector<float> unit_time_grid(int64_t points) {
  require(points >= 2, ErrorCode::invalid_argument, "a time grid needs at least 2 points, got {}", points);
  const at::Tensor grid = at::linspace(0, 1, points, at::TensorOptions(at::kFloat));
  const auto* values = grid.const_data_ptr<float>();
  return {values, values + points};
}

at::Tensor integrate(const VelocityField& velocity, at::Tensor y, const std::vector<float>& grid, OdeMethod method) {
  for (std::size_t i = 0; i + 1 < grid.size(); ++i)
    y = y + increment(velocity, y, grid[i], grid[i + 1] - grid[i], method);
  return y;
}

}  // namespace rushes::nn
