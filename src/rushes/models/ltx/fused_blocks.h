// All blocks of the LTX transformer for inference on the CPU: the same function as Block with few, fused passes. Every
// norm is one pass with the residual before it and the modulation after it; rotation and norm of queries and keys are
// one. Weights are read, never trained.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/ltx/block.h"
#include "rushes/models/ltx/config.h"
#include "rushes/models/ltx/rope.h"
#include "rushes/models/ltx/text_context.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

class FusedBlocks {
 public:
  /// Shares the weights of `blocks`; holds their norms and tables in float32. head_table [2, C]: shift, scale.
  FusedBlocks(const TransformerConfig& config, const std::vector<Block>& blocks, const at::Tensor& head_table);

  /// Whether these weights are of a dtype and on a device that the kernels serve.
  static bool serves(const tensor::WeightMap& weights);

  /// Through all blocks and the last norm, as far as the output layer.
  ///   x           [B, S, C] contiguous, dtype of the weights; overwritten
  ///   embedded    [B, G, C], modulation [B, G, 6, C]: each of S / G tokens
  /// Returns [B, S, C].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& embedded, const at::Tensor& modulation,
                     const TextContext& text, const RopeTable& rope) const;

 private:
  struct Layer {
    nn::Linear qkv, out, cross_q, cross_out, ff_in, ff_out;
    at::Tensor norm_q, norm_k, cross_norm_q;  // [C] float32
    at::Tensor table;                         // [6, C] float32; 1 is already added to the scales
  };
  template <typename T>
  at::Tensor run(const at::Tensor& x, const at::Tensor& embedded, const at::Tensor& modulation, const TextContext& text,
                 const RopeTable& rope) const;

  int64_t heads_, head_size_;
  float eps_, qk_eps_;
  std::vector<Layer> layers_;
  at::Tensor head_table_;  // [2, C] float32, the same
};

}  // namespace rushes::ltx
