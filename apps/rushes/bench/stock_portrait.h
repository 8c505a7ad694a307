// Ditto's warp network and decoder as they are published, operator by operator of libtorch: what ours is measured
// against.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/tensor/weight_map.h"

namespace rushes::app::bench {

class StockPortrait {
 public:
  StockPortrait(tensor::WeightMap warp, tensor::WeightMap decoder)
      : warp_(std::move(warp)), decoder_(std::move(decoder)) {}
  /// feature [1, C, D, H, W]; kp_source, kp_driving [1, 21, 3] float32. Returns [1, C', H, W].
  at::Tensor warped(const at::Tensor& feature, const at::Tensor& kp_source, const at::Tensor& kp_driving) const;
  /// Returns [1, 3, 8 H, 8 W].
  at::Tensor decoded(const at::Tensor& feature) const;

 private:
  tensor::WeightMap warp_, decoder_;
};

}  // namespace rushes::app::bench
