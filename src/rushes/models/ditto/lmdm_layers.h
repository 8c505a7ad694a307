// The layers of the motion diffusion model.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

struct LayerNorm {
  LayerNorm() = default;
  LayerNorm(const tensor::WeightMap& weights, const std::string& key, int64_t width);
  at::Tensor operator()(const at::Tensor& x) const;  // over the last axis, eps 1e-5
  at::Tensor weight, bias;
};

/// Rotary embedding (arXiv:2104.09864) of the whole width, pairs beside each other, before the projections of queries
/// and keys; values are not turned.
class Rotary {
 public:
  Rotary() = default;
  /// freqs [D / 2], radians for each position; `positions`: how many there are at most. Their turns are computed here.
  Rotary(const at::Tensor& freqs, int64_t positions);
  /// x [B, L, D] at positions first, first + 1, ... Angles in float32. Returns the dtype of x.
  at::Tensor operator()(const at::Tensor& x, int64_t first = 0) const;

 private:
  at::Tensor cos_, sin_;  // [positions, D / 2] float32
};

struct KeysAndValues {
  at::Tensor k, v;  // [B, L, heads, D / heads]
};

/// Multi-head attention with packed projections: keys in_proj_weight [3 D, D] (queries, keys, values), in_proj_bias,
/// out_proj.*.
class PackedAttention {
 public:
  PackedAttention() = default;
  PackedAttention(const tensor::WeightMap& weights, int64_t heads);
  /// turned [B, L, D] for queries and keys, plain for values. Returns [B, L, D].
  at::Tensor self(const at::Tensor& turned, const at::Tensor& plain) const;
  KeysAndValues keys_and_values(const at::Tensor& turned, const at::Tensor& plain) const;
  at::Tensor cross(const at::Tensor& turned, const KeysAndValues& memory) const;

 private:
  at::Tensor split(const at::Tensor& x) const;

  int64_t heads_ = 1;
  nn::Linear q_, k_, v_, out_;
};

/// linear2(gelu(linear1(x))).
class FeedForward {
 public:
  FeedForward() = default;
  explicit FeedForward(const tensor::WeightMap& weights);
  at::Tensor operator()(const at::Tensor& x) const;
  bool is_narrow() const;

 private:
  nn::Linear up_, down_;
};

/// A pre-norm transformer layer over condition tokens. Keys norm1, norm2, self_attn.*, linear1, linear2.
struct ConditionLayer {
  ConditionLayer(const tensor::WeightMap& weights, int64_t width, int64_t heads);
  at::Tensor operator()(const at::Tensor& x, const Rotary& rotary) const;

  LayerNorm norm1, norm2;
  PackedAttention attention;
  FeedForward mlp;
};

/// A decoder layer whose three branches are scaled and shifted by FiLM. Keys as ConditionLayer, with norm3,
/// multihead_attn.*, film1 to film3.block.1.
struct FilmLayer {
  FilmLayer(const tensor::WeightMap& weights, int64_t width, int64_t heads);
  /// x [B, L, D]; mish [B, D] = mish(t); memory as multihead_attn's keys and values.
  at::Tensor operator()(const at::Tensor& x, const KeysAndValues& memory, const at::Tensor& mish,
                        const Rotary& rotary) const;
  /// (scale, shift) of the three branches, [B, 6, D].
  at::Tensor modulation(const at::Tensor& mish) const;

  LayerNorm norm1, norm2, norm3;
  PackedAttention self_attention, cross_attention;
  FeedForward mlp;
  nn::Linear films;  // film1, film2 and film3 as one layer
};

/// x tanh(softplus(x)) (arXiv:1908.08681).
at::Tensor mish(const at::Tensor& x);
/// x sigmoid(x), [B, D]; of both, a row does not depend on those beside it.
at::Tensor silu(const at::Tensor& x);

}  // namespace rushes::ditto
