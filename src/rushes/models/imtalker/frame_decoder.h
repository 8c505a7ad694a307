// Aligned features to a picture, from the coarsest level up.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/imtalker/config.h"
#include "rushes/models/imtalker/layers.h"
#include "rushes/models/imtalker/self_attention.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// Any thread: no state.
class FrameDecoder {
 public:
  /// Keys upconv_blocks.{i}.*, resblocks.{i}.*, transformer_blocks.{i}.*, final_conv.1.*.
  FrameDecoder(const RendererConfig& config, const tensor::WeightMap& weights);
  /// aligned [B, width, side, side] of every level, coarsest first, any floating dtype. Returns pictures [B, 3, S, S]
  /// in (0, 1), float32.
  at::Tensor forward(const std::vector<at::Tensor>& aligned) const;
  /// What it computes with.
  at::ScalarType dtype() const { return final_weight_.scalar_type(); }

 private:
  struct Level {
    ConvResBlock up, merge;
    SelfAttention attention;
  };
  std::vector<Level> levels_;
  at::Tensor final_weight_, final_bias_;
};

}  // namespace rushes::imtalker
