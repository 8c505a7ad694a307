// The transformer for inference on the CPU: the same function as the blocks of TransformerCore with few, fused passes.
// Queries, keys and values come of one product, every norm is one pass with the residual before it and the modulation
// after it, the modulations of all layers are added at once. Weights are read, never trained.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "rushes/models/wan/config.h"
#include "rushes/models/wan/embeddings.h"
#include "rushes/models/wan/frame_additions.h"
#include "rushes/nn/kv_cache.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// Attention of a layer's own tokens: q, k, v [B, L, N, D], q and k rotated. Returns [B, L, N, D].
using LayerAttend =
    std::function<at::Tensor(int64_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)>;

class FusedTransformer {
 public:
  /// float32 or bfloat16 weights on the CPU. Copies the query, key and value weights of self-attention, which it joins;
  /// borrows all others.
  FusedTransformer(const TransformerConfig& config, const tensor::WeightMap& weights);

  /// What becomes of a sample does not depend, to the bit, on those beside it.
  bool samples_are_independent() const;
  /// Whether these weights are of a dtype and on a device that the kernels serve.
  static bool serves(const tensor::WeightMap& weights);

  ///   tokens  [B, L, C] embedded latents, contiguous; overwritten by what leaves the last block
  ///   time    e [B, F, C] and e0 [B, F, 6, C] (F = 1: one time for all tokens)
  ///   text    keys and values of the prompt, batch 1 or B
  ///   rope    [L, D / 2] complex128, or [B, L, D / 2]
  ///   additions  checked
  /// Returns the head's output [B, L, patch values].
  at::Tensor forward(at::Tensor tokens, const TimeEmbedding& time, const nn::CrossKeyValues& text,
                     const at::Tensor& rope, const LayerAttend& attend, const FrameAdditions& additions = {}) const;

 private:
  struct Layer {
    nn::Linear qkv, out, cross_q, cross_out, ffn_in, ffn_out;
    at::Tensor norm_q, norm_k, cross_norm_q, norm3_w, norm3_b;  // float32
  };
  struct Rotation;

  template <typename T>
  at::Tensor run(at::Tensor& x, const TimeEmbedding& time, const nn::CrossKeyValues& text, const Rotation& rotation,
                 const LayerAttend& attend, const FrameAdditions& additions) const;
  template <typename T>
  at::Tensor cross_attention(const Layer& layer, size_t index, const at::Tensor& normal,
                             const nn::CrossKeyValues& text) const;

  int64_t heads_, head_size_;
  double eps_;
  std::vector<Layer> layers_;
  nn::Linear head_;
  at::Tensor modulations_;      // [layers, 1, 1, 6, C] float32; 1 is already added to the scales
  at::Tensor head_modulation_;  // [1, 1, 2, C] float32, the same
};

}  // namespace rushes::wan
