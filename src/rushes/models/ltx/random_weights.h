// Random weights of the right names and shapes, for tests, benchmarks and the beginning of training.
#pragma once
#include <cmath>
#include <string>

#include "rushes/models/ltx/transformer.h"
#include "rushes/models/ltx/vae.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// float32: matrices and convolutions N(0, 1 / fan in), norms and standard deviations 1, tables N(0, 1 / width), biases
/// and means 0. Draws from libtorch's global generator.
inline tensor::WeightMap random_weights(const tensor::Shapes& shapes) {
  tensor::WeightMap weights;
  const at::TensorOptions floats(at::kFloat);
  for (const auto& [key, shape] : shapes) {
    if (key.ends_with("timestep_scale_multiplier")) {
      weights.set(key, at::full(shape, 1000.0, floats));
    } else if (key.ends_with("scale_shift_table")) {
      weights.set(key, at::randn(shape, floats) / std::sqrt(static_cast<double>(shape.back())));
    } else if (key.find("per_channel_scale") != std::string::npos || key.ends_with(".bias") || key == "latents_mean") {
      weights.set(key, at::zeros(shape, floats));
    } else if (shape.size() == 1) {
      weights.set(key, at::ones(shape, floats));
    } else {
      double fan_in = 1;
      for (std::size_t axis = 1; axis < shape.size(); ++axis) fan_in *= static_cast<double>(shape[axis]);
      weights.set(key, at::randn(shape, floats) / std::sqrt(fan_in));
    }
  }
  return weights;
}

inline tensor::WeightMap random_transformer_weights(const TransformerConfig& config) {
  return random_weights(parameter_shapes(config));
}
inline tensor::WeightMap random_vae_weights(const VaeConfig& config) {
  return random_weights(parameter_shapes(config));
}

}  // namespace rushes::ltx
