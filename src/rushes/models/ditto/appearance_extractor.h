// What a face looks like, as a volume that can be bent: the feature that every frame of a talking head is drawn from.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/nn/normed_conv.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// The appearance feature extractor of implicit-keypoint portraits (arXiv:2407.03168, section 3.1; arXiv:2011.15126).
/// Widths are those of the weights: keys first.*, down_blocks.{i}.*, second.*, resblocks_3d.3dr{i}.*. Any thread.
class AppearanceExtractor {
 public:
  /// `depth`: how many of the last convolution's channels make one channel of the volume, one after the other (16).
  /// Throws Error(corrupt_data) naming a missing or misshapen key, or a depth that does not divide the width.
  AppearanceExtractor(const tensor::WeightMap& weights, int64_t depth);

  /// image [B, 3, H, W], RGB in [0, 1]. Returns [B, C, depth, H / 2^down, W / 2^down] (published: [B, 32, 16, 64, 64]).
  at::Tensor forward(const at::Tensor& image) const;

 private:
  struct VolumeBlock {
    nn::ChannelNorm norm1, norm2;
    at::Tensor weight1, bias1, weight2, bias2;
  };
  int64_t depth_;
  nn::NormedConv first_;
  std::vector<nn::NormedConv> down_;
  at::Tensor second_weight_, second_bias_;
  std::vector<VolumeBlock> blocks_;
};

}  // namespace rushes::ditto
