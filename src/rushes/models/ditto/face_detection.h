// The networks that find a face and its points: what they are given, and what their answers mean. The networks
// themselves are ONNX files.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/ditto/affine_warp.h"

namespace rushes::ditto {

/// Faces of an image in its pixels, best first.
struct DetectedFaces {
  at::Tensor boxes;   // [n, 5] float32: x1, y1, x2, y2, score
  at::Tensor points;  // [n, 5, 2] float32: eyes, nose, corners of the mouth
  /// Index of the largest box, -1 if there is none.
  int64_t largest() const;
};

/// SCRFD (arXiv:2105.04714): letterboxed image [H, W, 3] uint8 RGB as the network takes it, [1, 3, S, S], channels B,
/// G, R, (p - 127.5) / 128.
at::Tensor detector_input(const at::Tensor& image, int64_t side);
/// One level of the network's answer: scores [n, 1], boxes [n, 4] and points [n, 10] in strides, two anchors a cell.
struct DetectorLevel {
  at::Tensor scores, boxes, points;
  int64_t stride;
};
/// `side` of the input, sides of the image.
DetectedFaces detected_faces(const std::vector<DetectorLevel>& levels, int64_t side, int64_t height, int64_t width,
                             double min_score = 0.5, double max_overlap = 0.4);

/// 106 points around a box [4] (x1, y1, x2, y2): map from the image to the network's 192 pixels, its input
/// [1, 3, 192, 192] (channels B, G, R, 0 to 255), and its answer [1, 212] as points [106, 2] of the image.
Affine landmark106_map(const at::Tensor& box);
at::Tensor landmark106_input(const at::Tensor& image, const Affine& map);
at::Tensor landmark106_points(const at::Tensor& answer, const Affine& map);

/// 203 points: crop [224, 224, 3] uint8 RGB as the network takes it, [1, 3, 224, 224] in [0, 1], and its answer [1,
/// 406] as points [203, 2] of the image.
at::Tensor landmark203_input(const at::Tensor& crop);
at::Tensor landmark203_points(const at::Tensor& answer, const Affine& crop_to_image);

}  // namespace rushes::ditto
