// Keeps the shoulders in place: what a small network adds to driven keypoints so that they fit the source image.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// arXiv:2407.03168, section 3.3 (stitching). Keys mlp.{0, 2, 4, ...}.*; widths are those of the weights.
class StitchNetwork {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  explicit StitchNetwork(const tensor::WeightMap& weights);
  /// source, driving [B, K, 3] float32. Returns the network's answer [B, 3 K + 2].
  at::Tensor delta(const at::Tensor& source, const at::Tensor& driving) const;
  /// The driving keypoints with an offset for each of them and one in x and y for all: [B, K, 3] float32.
  at::Tensor forward(const at::Tensor& source, const at::Tensor& driving) const;

 private:
  std::vector<nn::Linear> layers_;
};

}  // namespace rushes::ditto
