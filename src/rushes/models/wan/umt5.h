// The encoder half of UMT5: token ids to the text context of the diffusion transformer. It is T5 v1.1 with a table of
// relative positions in every layer.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/models/wan/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

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
  at::Tensor forward(const at::Tensor& ids, const at::Tensor& mask) const { return encoder_.forward(ids, mask); }

  /// What the diffusion transformer gets: the same with the rows of padding set to 0. Only as many columns are computed
  /// as the longest text has tokens, so padding (right) costs nothing.
  at::Tensor encode(const at::Tensor& ids, const at::Tensor& mask) const;

  const Umt5Config& config() const noexcept { return config_; }
  at::ScalarType dtype() const noexcept { return encoder_.dtype(); }
  at::Device device() const noexcept { return encoder_.device(); }

 private:
  Umt5Config config_;
  t5::Encoder encoder_;
};

}  // namespace rushes::wan
