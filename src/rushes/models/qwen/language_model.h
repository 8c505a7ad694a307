// The language model of Qwen2.5-VL: a causal transformer with grouped queries whose positions have three parts. Reading
// one token is bound by the memory's bandwidth: each weight is read once, none is copied.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/qwen/config.h"
#include "rushes/models/qwen/key_values.h"
#include "rushes/nn/gated_mlp.h"
#include "rushes/nn/linear.h"
#include "rushes/nn/linear_group.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::qwen {

/// Cosines and sines [B, L, D / 2] float32 for positions [3, B, L], D / 2 = sum(mrope_section): the first section's
/// frequencies turn with time, then height, then width. angle_j = position theta^(-2 j / D). Rounded to `dtype`.
struct MultimodalRope {
  MultimodalRope(const at::Tensor& positions, const TextConfig& config, at::ScalarType dtype);
  at::Tensor cos, sin;
};

/// Any thread, as long as each call has its own `past`. Differentiable where the weights are trained (then without a
/// past).
class LanguageModel {
 public:
  /// Keys embed_tokens.weight, layers.N.*, norm.weight and, where the head is not tied, lm_head.weight. Borrows their
  /// storage. Throws Error(corrupt_data) naming a missing or misshapen key.
  LanguageModel(const TextConfig& config, const tensor::WeightMap& weights);

  /// ids [B, L] int64. Returns [B, L, C]. Throws Error(invalid_argument) for an id outside the vocabulary.
  at::Tensor embed(const at::Tensor& ids) const;

  /// Reads tokens behind those of `past` and adds theirs to it.
  ///   x          [B, L, C] embeddings, in the dtype of the weights
  ///   positions  [3, B, L] int64
  ///   past       of batch B; null: none, and none is kept
  /// Returns [B, L, C], the last hidden states after the final norm.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& positions, KeyValues* past = nullptr) const;

  /// hidden [.., C]. Returns [.., V] float32.
  at::Tensor logits(const at::Tensor& hidden) const;

  /// An empty past with room for `tokens`; it grows where there are more.
  KeyValues past(int64_t tokens, int64_t batch = 1) const;

  const TextConfig& config() const noexcept { return config_; }
  at::ScalarType dtype() const noexcept { return embedding_.scalar_type(); }
  at::Device device() const { return embedding_.device(); }
  /// Bytes of weights that reading one token takes: all but the embedding table, unless that is the head.
  int64_t bytes_per_token() const;

 private:
  struct Layer {
    nn::LinearGroup qkv;
    nn::Linear out;
    at::Tensor norm1, norm2;
    nn::GatedMlp mlp;
  };
  at::Tensor attend(const Layer& layer, size_t index, const at::Tensor& x, const MultimodalRope& rope,
                    KeyValues* past) const;

  TextConfig config_;
  at::Tensor embedding_, norm_;
  std::vector<Layer> layers_;
  nn::Linear head_;
};

}  // namespace rushes::qwen
