// Where a head is and what its face does, read from an image: pose, expression and canonical keypoints.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// What the network says of each image. K keypoints, axes x, y, z.
struct MotionReading {
  at::Tensor pitch, yaw, roll;  // [B, bins] logits of angles (pose.h)
  at::Tensor t;                 // [B, 3]
  at::Tensor exp;               // [B, 3 K], offsets of the keypoints
  at::Tensor scale;             // [B, 1]
  at::Tensor kp;                // [B, 3 K], keypoints of the resting face
};

/// ConvNeXt V2 (arXiv:2301.00808) with linear heads. Widths and depths are those of the weights, below `detector.`:
/// downsample_layers.{i}.*, stages.{i}.{j}.*, norm.*, fc_{pitch,yaw,roll,t,exp,scale,kp}.*. Any thread.
class MotionExtractor {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  explicit MotionExtractor(const tensor::WeightMap& weights);
  /// image [B, 3, H, W], RGB in [0, 1], H and W multiples of 32 (published: 256).
  MotionReading forward(const at::Tensor& image) const;

 private:
  struct Norm {
    at::Tensor weight, bias;
  };
  struct Block {
    at::Tensor depthwise, depthwise_bias;
    Norm norm;
    nn::Linear up, down;
    at::Tensor gamma, beta;
  };
  struct Stage {
    Norm norm;  // after the first convolution, before the others
    at::Tensor weight, bias;
    std::vector<Block> blocks;
  };
  static at::Tensor block(const Block& block, const at::Tensor& x);

  std::vector<Stage> stages_;
  Norm norm_;
  nn::Linear pitch_, yaw_, roll_, t_, exp_, scale_, kp_;
};

}  // namespace rushes::ditto
