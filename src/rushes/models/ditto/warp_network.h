// The source's appearance, bent to where the keypoints of a frame are.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/models/ditto/dense_motion.h"
#include "rushes/nn/normed_conv.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// Samples the volume where the dense motion says, flattens it and fades what was hidden (arXiv:2011.15126, appendix
/// A). Keys dense_motion_network.*, third.*, fourth.*. Any thread.
class WarpNetwork {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  explicit WarpNetwork(const tensor::WeightMap& weights);
  /// feature [B, C, D, H, W] of AppearanceExtractor; keypoints [B, K, 3] float32. Returns [B, C', H, W].
  at::Tensor forward(const at::Tensor& feature, const at::Tensor& kp_source, const at::Tensor& kp_driving) const;
  int64_t keypoints() const noexcept { return motion_.keypoints(); }

 private:
  DenseMotionNetwork motion_;
  nn::NormedConv third_;
  at::Tensor fourth_weight_, fourth_bias_;
};

}  // namespace rushes::ditto
