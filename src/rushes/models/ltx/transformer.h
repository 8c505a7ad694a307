// The diffusion transformer of LTX-Video: velocity of a whole clip at one or more times. Keys and values of the text do
// not change from step to step: they are made once per prompt.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "rushes/models/ltx/block.h"
#include "rushes/models/ltx/config.h"
#include "rushes/models/ltx/fused_blocks.h"
#include "rushes/models/ltx/rope.h"
#include "rushes/models/ltx/text_context.h"
#include "rushes/nn/linear.h"
#include "rushes/nn/pass_bytes.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// Names and shapes of all parameters, as the diffusers library writes them.
tensor::Shapes parameter_shapes(const TransformerConfig& config);

/// Any thread: no state. Trainable weights keep autograd through context() and forward().
class Transformer {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  Transformer(const TransformerConfig& config, const tensor::WeightMap& weights);

  /// Of text embeddings [B, L, caption_channels], any dtype; mask [B, L], 1 for tokens that are attended, undefined:
  /// all. A prompt without any token left attends to all of its tokens, as in the reference. Throws
  /// Error(invalid_argument) for shapes that differ.
  TextContext context(const at::Tensor& embeddings, const at::Tensor& mask = {}) const;

  /// Velocity (noise - clean sample) of packed latents.
  ///   tokens    [B, S, in_channels] in the order frame, row, column; becomes the weights' dtype
  ///   timestep  [B, G], 0 to 1000, any dtype: each for S / G tokens in a row (G = 1, latent frames, or S)
  ///   text      of B prompts
  ///   rope      of S tokens, on the weights' device
  /// Returns [B, S, out_channels], dtype of the weights. Throws Error(invalid_argument) for shapes that do not fit.
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& timestep, const TextContext& text,
                     const RopeTable& rope) const;

  const TransformerConfig& config() const noexcept { return config_; }
  at::ScalarType dtype() const noexcept { return proj_in_.weight().scalar_type(); }
  /// Activations of a pass over `tokens` of all samples, about.
  int64_t pass_bytes(int64_t tokens) const { return nn::pass_bytes(tokens, config_.dim(), config_.ffn_dim(), dtype()); }
  at::Device device() const noexcept { return proj_in_.weight().device(); }

 private:
  struct Time {
    at::Tensor embedded;    // [B, G, C]
    at::Tensor modulation;  // [B, G, 6, C]
  };
  Time embed_time(const at::Tensor& timestep) const;

  TransformerConfig config_;
  nn::Linear proj_in_, proj_out_, caption_in_, caption_out_, time_in_, time_out_, modulation_;
  at::Tensor scale_shift_table_;  // [2, C]
  std::vector<Block> blocks_;
  std::optional<FusedBlocks> fused_;  // none: trained, or not on a CPU
};

}  // namespace rushes::ltx
