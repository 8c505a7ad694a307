// What the tests and benchmarks here measure: errors and times.
#pragma once
#include <ATen/CPUGeneratorImpl.h>

#include <chrono>
#include <functional>

#include "rushes/tensor/ops.h"

namespace rushes::nn {

/// |got - wanted| / |wanted|, in float64.
inline double relative_error(const at::Tensor& got, const at::Tensor& wanted) {
  const at::Tensor a = got.to(at::kDouble), b = wanted.to(at::kDouble);
  return ((a - b).norm() / b.norm()).item<double>();
}

/// Standard normal, float32, the same numbers in each run: libtorch's own generator begins differently each time.
inline at::Tensor repeatable_randn(at::IntArrayRef shape) {
  static at::Generator generator = at::detail::createCPUGenerator(7);
  return at::randn(shape, generator, at::TensorOptions(at::kFloat));
}

inline double seconds(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace rushes::nn
