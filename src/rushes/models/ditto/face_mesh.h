// The 478 points of a face mesh, and what its eyes do: networks of MediaPipe, whose inputs and answers these are.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rushes/models/ditto/affine_warp.h"

namespace rushes::ditto {

/// Centres and sides of the detector's anchors in [0, 1]: [896, 4], x, y, w, h (arXiv:1907.05047).
at::Tensor mesh_anchors();
/// image [H, W, 3] uint8 RGB as the detector takes it: [1, 128, 128, 3] in [-1, 1], sides not in proportion.
at::Tensor mesh_detector_input(const at::Tensor& image);
/// Faces of its answers, regressors [1, 896, 16] and classificators [1, 896, 1]: [n, 17] float32, best first: x1, y1,
/// x2, y2 in 1/128 of the sides, six points in [0, 1], score. Overlapping ones are means weighted by score.
at::Tensor mesh_detections(const at::Tensor& regressors, const at::Tensor& classificators);

/// A turned square of an image.
struct MeshRegion {
  double x, y, side, rotation;  // pixels, radians
  /// To the mesh network's 256 pixels.
  Affine to_network() const;
};
/// Around a row of mesh_detections(). As the reference has it, x is scaled by the height and y by the width.
MeshRegion mesh_region(const at::Tensor& detection, int64_t height, int64_t width);
/// [1, 256, 256, 3] in [0, 1].
at::Tensor mesh_input(const at::Tensor& image, const MeshRegion& region);
/// The network's answer [1, 1434], x, y and z of each point in its pixels, as [1, 478, 3] in widths, heights and widths
/// of the image.
at::Tensor mesh_points(const at::Tensor& answer, const MeshRegion& region, int64_t height, int64_t width);

struct Eyes {
  at::Tensor open;  // [n, 2]: left, right
  at::Tensor ball;  // [n, 6]: x of left and right, y, z
};
/// points [n, 478, 3].
Eyes eyes_of(const at::Tensor& points);

}  // namespace rushes::ditto
