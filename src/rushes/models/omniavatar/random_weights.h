// Random weights of the right names and shapes, for tests, benchmarks and models without a checkpoint.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "rushes/models/omniavatar/config.h"
#include "rushes/models/wan/random_weights.h"

namespace rushes::omniavatar {

/// The speech modules, float32.
inline void add_random_speech(tensor::WeightMap& weights, const TransformerConfig& config) {
  const auto linear = [&](const std::string& key, int64_t out, int64_t in) {
    weights.set(key + ".weight",
                at::randn({out, in}, at::TensorOptions(at::kFloat)) / std::sqrt(static_cast<double>(in)));
    weights.set(key + ".bias", at::randn({out}, at::TensorOptions(at::kFloat)) * 0.1);
  };
  const auto [feature_dim, hidden_size, group] = config.speech;
  linear("audio_proj.proj", hidden_size, group * feature_dim);
  weights.set("audio_proj.norm_out.weight", at::randn({hidden_size}, at::TensorOptions(at::kFloat)) * 0.1 + 1);
  weights.set("audio_proj.norm_out.bias", at::randn({hidden_size}, at::TensorOptions(at::kFloat)) * 0.1);
  for (int64_t j = 0; j < config.speech_layers(); ++j)
    linear("audio_cond_projs." + std::to_string(j), config.wan.dim, hidden_size);
}

/// A whole transformer with speech modules.
inline tensor::WeightMap random_transformer_weights(const TransformerConfig& config) {
  tensor::WeightMap weights = wan::random_transformer_weights(config.wan);
  add_random_speech(weights, config);
  return weights;
}

}  // namespace rushes::omniavatar
