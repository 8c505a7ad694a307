// Where a drawn face lies in the square that the networks see: crops of real use are never quite those of the drawing.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/training/ditto/face_labels.h"

namespace rushes::training {

/// A point at p, in pixels from the picture's centre, is at scale p + (x, y).
struct Camera {
  float scale = 1, x = 0, y = 0;
};
/// The drawing's own in a few cases of ten; else nearer or farther by up to a fifth, and aside.
Camera random_camera(Random& random);

/// [C, S, S] float32 through the camera; black where the drawing ends.
at::Tensor seen(const at::Tensor& picture, const Camera& camera);
FaceLabels seen(const FaceLabels& labels, const Camera& camera);
/// Keypoints [21, 3].
at::Tensor seen_keypoints(const at::Tensor& keypoints, const Camera& camera);
/// correspondence() of a side [side^2, 3]: [side, side, 2] float32, in the units of keypoints.
at::Tensor seen_origins(const at::Tensor& correspondence, int64_t side, const Camera& camera);

}  // namespace rushes::training
