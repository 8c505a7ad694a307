// The renderer's encoders: what a picture looks like (feature maps and an identity vector) and how its face moves (a
// motion latent), and the module that adapts a motion to an identity.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/imtalker/config.h"
#include "rushes/models/imtalker/layers.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

struct Appearance {
  std::vector<at::Tensor> maps;  // [B, width, side, side] of each level, coarsest first
  at::Tensor identity;           // [B, dim_app]
};

/// Any thread: no state.
class AppearanceEncoder {
 public:
  /// Keys initial_conv.{0,1}.*, down_block_0.*, down_blocks.{i}.*, linear_layers.{i}.*, final_linear.*.
  AppearanceEncoder(const RendererConfig& config, const tensor::WeightMap& weights);
  /// picture [B, 3, S, S] in [0, 1].
  Appearance forward(const at::Tensor& picture) const;

 private:
  NormedConv initial_;
  std::vector<ConvResBlock> blocks_;
  EqualMlp identity_;
};

/// Any thread: no state.
class MotionEncoder {
 public:
  /// Keys conv1.*, res_blocks.{i}.*, equalconv.*, linear_layers.{i}.*, final_linear.*.
  MotionEncoder(const RendererConfig& config, const tensor::WeightMap& weights);
  /// picture [B, 3, S, S] in [0, 1]. Returns [B, dim_motion].
  at::Tensor forward(const at::Tensor& picture) const { return read(maps(picture).back()); }
  /// Both halves of it, for training: what each block makes, [B, C, side, side], and the motion that the last one
  /// tells.
  std::vector<at::Tensor> maps(const at::Tensor& picture) const;
  at::Tensor read(const at::Tensor& last_map) const;

 private:
  at::Tensor conv1_weight_, conv1_bias_, last_bias_;
  std::vector<DownResBlock> blocks_;
  ScaledWeight last_;
  EqualMlp head_;
};

/// Motion of a person as this person would make it. Any thread: no state.
class IdentityAdaptation {
 public:
  /// Keys in_layer.*, linear_layers.{i}.*, final_linear.*.
  IdentityAdaptation(const RendererConfig& config, const tensor::WeightMap& weights);
  /// motion [B, dim_motion], identity [B, dim_app] (or B = 1). Returns [B, dim_motion].
  at::Tensor forward(const at::Tensor& motion, const at::Tensor& identity) const;

 private:
  EqualLinear in_;
  EqualMlp head_;
};

}  // namespace rushes::imtalker
