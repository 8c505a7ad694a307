// Self-attention of the frame decoder: over all cells of small maps, over shifted windows of large ones
// (Swin transformer, arXiv:2103.14030).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/imtalker/config.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// Full attention with learned positions on queries and keys. Any thread: no state.
class TransformerBlock {
 public:
  /// Keys q_pos_embedding, k_pos_embedding [1, L, C], norm_q, norm_kv, norm_ffn, attn.{q,k,v}_proj, attn.proj,
  /// mlp.{0,3}.
  TransformerBlock(const tensor::WeightMap& weights, int64_t num_heads);
  /// x [B, L, C], cells row by row. Returns the same shape.
  at::Tensor forward(const at::Tensor& x) const;

 private:
  int64_t num_heads_;
  at::Tensor q_position_, k_position_, norm_q_[2], norm_kv_[2], norm_ffn_[2];
  nn::Linear q_, k_, v_, out_, mlp_in_, mlp_out_;
};

/// Attention inside windows, which `shifted` moves by half a window. Any thread: no state.
class WindowBlock {
 public:
  /// Keys norm_q, norm_kv, norm_ffn, attn.{q,k,v,proj}, attn.relative_position_bias_table, mlp.{0,2}. For maps of
  /// side x side cells. Throws Error(invalid_argument) if the windows do not tile the map.
  WindowBlock(const tensor::WeightMap& weights, int64_t side, int64_t window, bool shifted, int64_t num_heads);
  /// x [B, H, W, C] with H = W = side. Returns the same shape.
  at::Tensor forward(const at::Tensor& x) const;

 private:
  at::Tensor position_bias() const;  // [N, window^2, window^2], float32

  int64_t window_, shift_, num_heads_;
  bool trainable_;
  at::Tensor norm_q_[2], norm_kv_[2], norm_ffn_[2], bias_table_, index_, bias_;
  nn::Linear q_, k_, v_, out_, mlp_in_, mlp_out_;
};

/// The self-attention after one level of the decoder: one TransformerBlock, or two WindowBlocks from the threshold on.
class SelfAttention {
 public:
  /// Keys blocks.{0,1}.*.
  SelfAttention(const RendererConfig& config, const tensor::WeightMap& weights, int64_t side);
  /// x [B, C, side, side]. Returns the same shape, channels last in memory.
  at::Tensor forward(const at::Tensor& x) const;

 private:
  std::vector<TransformerBlock> full_;
  std::vector<WindowBlock> windowed_;
};

}  // namespace rushes::imtalker
