// Where each cell of a driven volume comes from in the source's volume.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/nn/normed_conv.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// Positions of the cells of a volume: [D, H, W, 3] float32, last axis x, y, z, each from -1 to 1, both included.
at::Tensor identity_grid(int64_t depth, int64_t height, int64_t width);

/// Trilinear sampling, zeros outside, cells as areas (align_corners false), in float32: volume [B, C, D, H, W],
/// grid [B, d, h, w, 3] float32. Returns [B, C, d, h, w] in the volume's dtype.
at::Tensor sample_volume(const at::Tensor& volume, const at::Tensor& grid);

struct DenseMotion {
  at::Tensor deformation;  // [B, D, H, W, 3] float32: where to sample the source's volume
  at::Tensor occlusion;    // [B, 1, H, W] in [0, 1]
  at::Tensor mask;         // [B, K + 1, D, H, W] float32: weights of the candidate motions, the first one stands still
};

/// Motion candidates around keypoints, weighed by an hourglass of convolutions (arXiv:2011.15126, appendix A;
/// arXiv:2003.00196). Widths are those of the weights, below dense_motion_network.: compress.*, norm.*,
/// hourglass.{encoder, decoder}.*, mask.*, occlusion.*. Any thread.
class DenseMotionNetwork {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  explicit DenseMotionNetwork(const tensor::WeightMap& weights);
  /// feature [B, C, D, H, W]; kp_source, kp_driving [B, K, 3] float32, in the grid's units.
  DenseMotion forward(const at::Tensor& feature, const at::Tensor& kp_source, const at::Tensor& kp_driving) const;
  int64_t keypoints() const noexcept { return mask_weight_.size(0) - 1; }

 private:
  at::Tensor hourglass(const at::Tensor& x) const;

  nn::NormedConv compress_, last_;
  std::vector<nn::NormedConv> down_, up_;
  at::Tensor mask_weight_, mask_bias_, occlusion_weight_, occlusion_bias_;
};

}  // namespace rushes::ditto
