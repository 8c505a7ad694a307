// One block of the Wan diffusion transformer. What self-attention may look at is decided by the caller, so that the
// same block serves generation with a cache, the bidirectional models and training in one pass.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>

#include "rushes/models/wan/config.h"
#include "rushes/nn/kv_cache.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// Attention of the block's own tokens: q, k, v [B, L, N, D], q and k rotated. Returns [B, L, N, D].
using SelfAttend = std::function<at::Tensor(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)>;

class Block {
 public:
  /// Keys modulation, self_attn.*, norm3.*, cross_attn.*, ffn.{0,2}.*.
  Block(const TransformerConfig& config, const tensor::WeightMap& weights);

  /// x [B, L, C]; e0 [B, F, 6, C] time embedding of each latent frame (F = 1: of all tokens); cross: keys and values of
  /// the prompt from cross_text() (and cross_image()); rope [L, D / 2] complex. Returns [B, L, C], dtype of x.
  /// Source: Wan 2.1, arXiv:2503.20314, section 4.2.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& e0, const nn::KeyValue& text, const nn::KeyValue* image,
                     const at::Tensor& rope, const SelfAttend& attend) const;

  /// Keys and values of the embedded text [B, L, C] (of the image tokens): [B, L, N, D].
  nn::KeyValue cross_text(const at::Tensor& text) const;
  nn::KeyValue cross_image(const at::Tensor& image) const;

 private:
  at::Tensor self_attention(const at::Tensor& x, const at::Tensor& rope, const SelfAttend& attend) const;
  at::Tensor cross_attention(const at::Tensor& x, const nn::KeyValue& text, const nn::KeyValue* image) const;
  at::Tensor heads(const at::Tensor& x) const;

  int64_t heads_, head_size_;
  double eps_;
  at::Tensor modulation_;
  nn::Linear q_, k_, v_, o_, cross_q_, cross_k_, cross_v_, cross_o_, cross_k_img_, cross_v_img_, ffn_in_, ffn_out_;
  at::Tensor norm_q_, norm_k_, cross_norm_q_, cross_norm_k_, cross_norm_k_img_, norm3_w_, norm3_b_;
};

}  // namespace rushes::wan
