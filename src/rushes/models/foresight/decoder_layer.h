// The post-norm decoder layer of libtorch, in evaluation mode: learned queries look at themselves, then at a context.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "rushes/nn/linear.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::foresight {

/// Any thread: no state.
class DecoderLayer {
 public:
  /// Keys self_attn and multihead_attn.{in_proj_weight,in_proj_bias,out_proj.weight,out_proj.bias}, linear1, linear2,
  /// norm1, norm2, norm3 below `weights`. Throws Error(corrupt_data) naming a missing or misshapen one.
  DecoderLayer(const tensor::WeightMap& weights, int64_t width, int64_t heads, int64_t mlp_width);

  /// q = LN1(q + self-attention(q)); q = LN2(q + attention(q, context)); q = LN3(q + W2 relu(W1 q)), epsilon 1e-5.
  ///   queries [B, Q, C], context [B, L, C]
  /// Returns [B, Q, C]. Source: torch.nn.TransformerDecoderLayer, norm_first off.
  at::Tensor forward(const at::Tensor& queries, const at::Tensor& context) const;

  static void add_shapes(tensor::Shapes& shapes, const std::string& prefix, int64_t width, int64_t mlp_width);

 private:
  struct Attention {
    nn::Linear q, kv, out;
  };
  struct Norm {
    at::Tensor weight, bias;
  };
  at::Tensor attend(const Attention& attention, const at::Tensor& queries, const at::Tensor& context) const;

  int64_t heads_;
  Attention self_, cross_;
  nn::Linear up_, down_;
  Norm norms_[3];
};

}  // namespace rushes::foresight
