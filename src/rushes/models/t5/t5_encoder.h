// The encoder half of T5 v1.1: token ids to one vector for each of them. Pre-norm layers without biases; attention is
// not scaled by the head size and has a learned bias for each distance; the MLP is gated by a tanh GELU. UMT5 is the
// same with a table of distances in every layer instead of in the first one.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/t5/config.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::t5 {

/// Which row of a table of distances a key at `relative` = key index - query index reads. Half of the buckets look
/// ahead; of each half, the first half has one bucket a distance, the rest grow logarithmically up to max_distance.
/// Source: arXiv:1910.10683, section 2.1; the logarithm is taken in float32 as in the published code.
int64_t relative_position_bucket(int64_t relative, int64_t num_buckets, int64_t max_distance);

/// Parameters, in whatever layout they were published. C = d_model, A = attention_width().
struct EncoderWeights {
  struct Layer {
    at::Tensor norm1;      // [C]
    at::Tensor q, k, v;    // [A, C]
    at::Tensor o;          // [C, A]
    at::Tensor norm2;      // [C]
    at::Tensor gate, up;   // [d_ff, C]
    at::Tensor down;       // [C, d_ff]
    at::Tensor positions;  // [buckets, heads]; of layers without a table of their own the one of an earlier layer
  };
  at::Tensor embedding;  // [vocab_size, C]
  std::vector<Layer> layers;
  at::Tensor norm;  // [C]
};

/// Any thread: no state.
class Encoder {
 public:
  /// Keys as the transformers library writes them (parameter_shapes()). Throws Error(corrupt_data) naming a missing or
  /// misshapen one, Error(invalid_argument) for a configuration that no T5 has.
  Encoder(const Config& config, const tensor::WeightMap& weights);
  /// Of another layout. Throws Error(invalid_argument).
  Encoder(const Config& config, EncoderWeights weights);

  /// The output of every row, those of padding too (they attend like all others).
  ///   ids   [B, L] int64, 0 <= id < vocab_size
  ///   mask  [B, L] int64 or bool, 1 for real tokens; keys with 0 get no attention. Undefined: all are real, as the
  ///         published LTX pipelines call it, so that what a prompt becomes depends on how far it is padded
  /// Returns [B, L, C], dtype of the weights. Differentiable. Throws Error(invalid_argument) for ids out of range or
  /// shapes that differ.
  at::Tensor forward(const at::Tensor& ids, const at::Tensor& mask = {}) const;

  const Config& config() const noexcept { return config_; }
  at::ScalarType dtype() const noexcept { return weights_.embedding.scalar_type(); }
  at::Device device() const noexcept { return weights_.embedding.device(); }

 private:
  at::Tensor attention(const EncoderWeights::Layer& layer, const at::Tensor& x, const at::Tensor& bias,
                       const at::Tensor& hidden_keys) const;

  Config config_;
  EncoderWeights weights_;
};

/// Names and shapes of all parameters as the transformers library writes them: shared.weight, encoder.block.{i}.layer.
/// {0.SelfAttention.{q,k,v,o},0.layer_norm,1.DenseReluDense.{wi_0,wi_1,wo},1.layer_norm}.weight, encoder.block.0.layer.
/// 0.SelfAttention.relative_attention_bias.weight, encoder.final_layer_norm.weight.
tensor::Shapes parameter_shapes(const Config& config);

}  // namespace rushes::t5
