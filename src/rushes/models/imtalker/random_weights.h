// Weights of no meaning but of the right shapes and sizes: for tests.
#pragma once
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <string>

#include "rushes/tensor/completeness.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// Numbers that keep activations near 1, variances near 1; the same for the same seed. With `trainable` they are leaves
/// that want gradients.
inline tensor::WeightMap random_weights(const tensor::Shapes& shapes, bool trainable = false, uint64_t seed = 0) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  tensor::WeightMap weights;
  for (const auto& [key, shape] : shapes) {
    at::Tensor value = at::randn(shape, generator, at::TensorOptions(at::kFloat));
    const bool is_equalised = key.find("latent_token_") != std::string::npos ||
                              key.find("linear") != std::string::npos ||
                              key.find("adapt.") != std::string::npos;  // scaled by the layer itself
    if (key.ends_with("running_var") || (key.ends_with("weight") && shape.size() == 1))
      value = 1 + 0.1 * value;
    else if (key.ends_with("bias"))
      value = 0.1 * value;
    else if (!is_equalised && shape.size() > 1)
      value = value / std::sqrt(static_cast<double>(value.numel() / value.size(0)));
    const bool is_buffer = key.find("running_") != std::string::npos;
    weights.set(key, value.requires_grad_(trainable && !is_buffer));
  }
  weights.set_trainable(trainable);
  return weights;
}

}  // namespace rushes::imtalker
