// One block of the LTX transformer, with libtorch's operators: on any device, in any dtype, differentiable.
// fused_blocks.h computes the same on CPUs in fewer passes.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/ltx/config.h"
#include "rushes/models/ltx/rope.h"
#include "rushes/nn/kv_cache.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// Queries, keys and values over all heads, normalised together, and the output. Keys to_{q,k,v}, norm_{q,k}, to_out.0.
struct AttentionWeights {
  AttentionWeights(const TransformerConfig& config, const tensor::WeightMap& weights);
  nn::Linear q, k, v, out;
  at::Tensor norm_q, norm_k;  // [C]
};

/// The same where one input gives all three: one product, of which q, k and v are parts. Trained weights stay apart.
struct SelfAttentionWeights : AttentionWeights {
  SelfAttentionWeights(const TransformerConfig& config, const tensor::WeightMap& weights);
  nn::Linear qkv;
  bool is_joined = false;
};

class Block {
 public:
  /// Keys scale_shift_table, attn1.*, attn2.*, ff.net.0.proj.*, ff.net.2.*.
  Block(const TransformerConfig& config, const tensor::WeightMap& weights);

  /// x += gate1 attention(rms(x) (1 + scale1) + shift1); x += cross_attention(x); x += gate2 ff(rms(x) (1 + scale2) +
  /// shift2). x [B, S, C]; modulation [B, G, 6, C], each for S / G tokens: shift1, scale1, gate1, shift2, scale2, gate2
  /// before the table is added; text: keys and values of each sample's prompt. Returns [B, S, C].
  /// Source: arXiv:2501.00103, section 2.2; the order is that of the published code.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& modulation, const std::vector<const nn::KeyValue*>& text,
                     const RopeTable& rope) const;

  /// Keys and values of projected text [B, L, C]: [B, L, N, D].
  nn::KeyValue text_keys(const at::Tensor& text) const;

  const SelfAttentionWeights& self_attention() const { return self_; }
  const AttentionWeights& cross_attention() const { return cross_; }
  const nn::Linear& ff_in() const { return ff_in_; }
  const nn::Linear& ff_out() const { return ff_out_; }
  const at::Tensor& scale_shift_table() const { return table_; }  // [6, C]

 private:
  at::Tensor heads(const at::Tensor& x) const;

  int64_t heads_, head_size_;
  double eps_, qk_eps_;
  SelfAttentionWeights self_;
  AttentionWeights cross_;
  nn::Linear ff_in_, ff_out_;
  at::Tensor table_;
};

/// Attention of each sample to its own text: q [B, S, N, D]. Returns [B, S, N, D].
at::Tensor attend_text(const at::Tensor& q, const std::vector<const nn::KeyValue*>& text);

}  // namespace rushes::ltx
