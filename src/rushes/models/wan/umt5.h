// The encoder half of UMT5: token ids to the text context of the diffusion transformer. Unlike T5 every layer has its
// own table of relative positions, and attention is not scaled by the head size.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/wan/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// Which row of a layer's table a key at `relative` = key index - query index reads. Half of the buckets look ahead;
/// of each half, the first half has one bucket a distance, the rest grow logarithmically up to max_distance.
/// Source: arXiv:1910.10683, section 2.1; the logarithm is taken in float32 as in the published code.
int64_t relative_position_bucket(int64_t relative, int64_t num_buckets, int64_t max_distance);

/// Any thread: no state.
class Umt5Encoder {
 public:
  /// Keys token_embedding.weight, blocks.{i}.{norm1,norm2}.weight, blocks.{i}.attn.{q,k,v,o}.weight,
  /// blocks.{i}.ffn.{gate.0,fc1,fc2}.weight, blocks.{i}.pos_embedding.embedding.weight, norm.weight.
  /// Throws Error(corrupt_data) naming a key that is missing or has another shape, Error(invalid_argument) if
  /// dim_attn is no multiple of num_heads or num_buckets no multiple of 4.
  Umt5Encoder(const Umt5Config& config, const tensor::WeightMap& weights);

  /// The output of every row, those of padding too (they attend to the real tokens like all others).
  ///   ids   [B, L] int64, 0 <= id < vocab
  ///   mask  [B, L] int64 or bool, 1 for real tokens; keys with 0 get no attention
  /// Returns [B, L, dim], dtype of the weights. Differentiable. Throws Error(invalid_argument) for ids out of range or
  /// shapes that differ.
  at::Tensor forward(const at::Tensor& ids, const at::Tensor& mask) const;

  /// What the diffusion transformer gets: the same with the rows of padding set to 0. Only as many columns are computed
  /// as the longest text has tokens, so padding (right) costs nothing.
  at::Tensor encode(const at::Tensor& ids, const at::Tensor& mask) const;

  const Umt5Config& config() const noexcept { return config_; }
  at::ScalarType dtype() const noexcept { return embedding_.scalar_type(); }
  at::Device device() const noexcept { return embedding_.device(); }

 private:
  struct Layer {
    at::Tensor norm1, q, k, v, o, norm2, gate, fc1, fc2, positions;
  };
  at::Tensor attention(const Layer& layer, const at::Tensor& x, const at::Tensor& buckets,
                       const at::Tensor& hidden_keys) const;

  Umt5Config config_;
  at::Tensor embedding_, norm_;
  std::vector<Layer> layers_;
};

}  // namespace rushes::wan
