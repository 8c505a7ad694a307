// Parts of a Wan model with random weights, small or not: for tests, and for families that are composed with it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "rushes/generation/wan/model.h"
#include "rushes/models/wan/config.h"
#include "rushes/tensor/random.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::generation {

/// Random tensors whose size keeps activations near 1 whatever the layer.
class RandomWeights {
 public:
  explicit RandomWeights(uint64_t seed) : random_(seed) {}

  void normal(const std::string& key, const std::vector<int64_t>& shape, double std, double mean = 0);
  /// N(0, 1 / inputs): axis 0 is the output.
  void matrix(const std::string& key, const std::vector<int64_t>& shape);
  void linear(const std::string& key, int64_t out, int64_t in);
  tensor::WeightMap take() { return std::move(weights_); }

 private:
  tensor::RandomStream random_;
  tensor::WeightMap weights_;
};

void add_transformer_weights(RandomWeights& weights, const wan::TransformerConfig& config);
tensor::WeightMap random_text_weights(const wan::Umt5Config& config, uint64_t seed);
tensor::WeightMap random_autoencoder_weights(const wan::TinyAutoencoderConfig& config, uint64_t seed);

/// Any prompt; each word is a token of its own.
PromptEncoder random_prompt_encoder(const wan::Umt5Config& config, const tensor::WeightMap& weights);

}  // namespace rushes::generation
