// Fixed-grid solvers of dy/dt = v(t, y) from t = 0 to 1, for models of flow matching that are asked at the time itself.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace rushes::nn {

enum class OdeMethod {
  euler,     // 1 evaluation a step
  midpoint,  // 2
  rk4,       // 4: Kutta's 3/8 rule
};

/// "euler", "midpoint", "rk4". Throws Error(invalid_argument) for others.
OdeMethod ode_method(std::string_view name);

/// v(t, y): velocity of the shape of y.
using VelocityField = std::function<at::Tensor(float t, const at::Tensor& y)>;

/// `points` equally spaced float32 times from 0 to 1, both included: points - 1 steps. Throws Error(invalid_argument)
/// for less than 2.
std::vector<float> unit_time_grid(int64_t points);

/// y at the last time of `grid`, from y at its first. Steps are computed in float32 times.
at::Tensor integrate(const VelocityField& velocity, at::Tensor y, const std::vector<float>& grid, OdeMethod method);

}  // namespace rushes::nn
