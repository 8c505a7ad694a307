// What the tests and benchmarks here measure: errors and times.
#pragma once
#include <chrono>
#include <functional>

#include "rushes/tensor/ops.h"

namespace rushes::nn {

/// |got - wanted| / |wanted|, in float64.
inline double relative_error(const at::Tensor& got, const at::Tensor& wanted) {
  const at::Tensor a = got.to(at::kDouble), b = wanted.to(at::kDouble);
  return ((a - b).norm() / b.norm()).item<double>();
}

inline double seconds(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace rushes::nn
