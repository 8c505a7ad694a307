// Weights of no meaning but of the right shapes and sizes: for tests.
#pragma once
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <string>

#include "rushes/tensor/completeness.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// Numbers that keep activations near 1; the same for the same seed.
inline tensor::WeightMap random_weights(const tensor::Shapes& shapes, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  tensor::WeightMap weights;
  for (const auto& [key, shape] : shapes) {
    at::Tensor value = at::randn(shape, generator, at::TensorOptions(at::kFloat));
    if (key.ends_with("running_var") || key.ends_with("weight_g") || (key.ends_with("weight") && shape.size() == 1))
      value = 1 + 0.1 * value;
    else if (key.ends_with("rotary.freqs"))
      value = at::pow(10000.0,
                      at::arange(shape[0], at::TensorOptions(at::kFloat)) * (-1.0 / static_cast<double>(shape[0])));
    else if (key.ends_with("weight_u") || key.ends_with("weight_v"))
      value = at::ones(shape, at::TensorOptions(at::kFloat)) / std::sqrt(static_cast<double>(value.numel()));
    else if (key.find("fc_exp") != std::string::npos || key.find("fc_t.") != std::string::npos)
      value = 0.01 * value;
    else if (shape.size() < 2)
      value = 0.1 * value;
    else
      value = value / std::sqrt(static_cast<double>(value.numel()) / static_cast<double>(value.size(0)));
    weights.set(key, value);
  }
  return weights;
}

}  // namespace rushes::ditto
