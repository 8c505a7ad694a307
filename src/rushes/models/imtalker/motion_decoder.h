// Motion latent to motion maps: a small StyleGAN2 generator whose style is the motion (arXiv:1912.04958).
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/imtalker/config.h"
#include "rushes/models/imtalker/layers.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// Any thread: no state.
class MotionDecoder {
 public:
  /// Keys const [1, const_dim, const_size, const_size], style_conv_layers.{0..12}.*; noise.weight has no effect.
  MotionDecoder(const RendererConfig& config, const tensor::WeightMap& weights);
  /// motion [B, dim_motion], adapted. Returns the maps of the four coarsest levels, coarsest first: [B, width, side,
  /// side], the first with side 2 const_size.
  std::vector<at::Tensor> forward(const at::Tensor& motion) const;

 private:
  at::Tensor const_;
  std::vector<StyledConv> layers_;
};

}  // namespace rushes::imtalker
