// Random weights of the right names and shapes, for tests and benchmarks that need a model but no checkpoint.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "rushes/models/wan/config.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// One block's tensors under `prefix`, float32. Matrices are N(0, 1 / in), biases and modulations N(0, 0.1), norms
/// near 1.
inline void add_random_block(tensor::WeightMap& weights, const TransformerConfig& config, const std::string& prefix) {
  const int64_t C = config.dim;
  const auto put = [&](const std::string& key, std::vector<int64_t> shape, double mean, double std) {
    weights.set(prefix + key, at::randn(shape, at::TensorOptions(at::kFloat)) * std + mean);
  };
  const auto linear = [&](const std::string& key, int64_t out, int64_t in) {
    put(key + ".weight", {out, in}, 0, 1 / std::sqrt(static_cast<double>(in)));
    put(key + ".bias", {out}, 0, 0.1);
  };
  put("modulation", {1, 6, C}, 0, 0.3);
  for (const std::string part : {"self_attn.", "cross_attn."}) {
    for (const std::string leaf : {"q", "k", "v", "o"}) linear(part + leaf, C, C);
    for (const std::string leaf : {"norm_q.weight", "norm_k.weight"}) put(part + leaf, {C}, 1, 0.1);
  }
  put("norm3.weight", {C}, 1, 0.1);
  put("norm3.bias", {C}, 0, 0.1);
  linear("ffn.0", config.ffn_dim, C);
  linear("ffn.2", C, config.ffn_dim);
}

/// A whole text-to-video transformer.
inline tensor::WeightMap random_transformer_weights(const TransformerConfig& config) {
  tensor::WeightMap weights;
  const int64_t C = config.dim;
  const auto put = [&](const std::string& key, std::vector<int64_t> shape, double std) {
    weights.set(key, at::randn(shape, at::TensorOptions(at::kFloat)) * std);
  };
  const auto linear = [&](const std::string& key, int64_t out, int64_t in) {
    put(key + ".weight", {out, in}, 1 / std::sqrt(static_cast<double>(in)));
    put(key + ".bias", {out}, 0.1);
  };
  const auto [pt, ph, pw] = config.patch_size;
  put("patch_embedding.weight", {C, config.in_dim, pt, ph, pw}, 1 / std::sqrt(double(config.in_dim * pt * ph * pw)));
  put("patch_embedding.bias", {C}, 0.1);
  linear("text_embedding.0", C, config.text_dim);
  linear("text_embedding.2", C, C);
  linear("time_embedding.0", C, config.freq_dim);
  linear("time_embedding.2", C, C);
  linear("time_projection.1", 6 * C, C);
  linear("head.head", pt * ph * pw * config.out_dim, C);
  put("head.modulation", {1, 2, C}, 0.3);
  for (int64_t layer = 0; layer < config.num_layers; ++layer)
    add_random_block(weights, config, "blocks." + std::to_string(layer) + ".");
  return weights;
}

}  // namespace rushes::wan
