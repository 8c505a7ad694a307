// The source as the networks know it: a face cut out of a frame, how it looks and what it does there.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "rushes/models/ditto/appearance_extractor.h"
#include "rushes/models/ditto/face_geometry.h"
#include "rushes/models/ditto/motion_extractor.h"
#include "rushes/models/ditto/pose.h"

namespace rushes::ditto {

/// One frame of the source.
struct SourceFrame {
  at::Tensor pixels;     // [H, W, 3] uint8, its sides as source_sides() has them
  Affine crop_to_frame;  // from the square crop
  HeadMotion motion;     // with resting keypoints
  at::Tensor feature;    // [1, C, D, h, w] float32 on the networks' device
};

/// [H, W, 3] uint8 at the sides that a source has in a video, in memory of its own.
at::Tensor fitted(const at::Tensor& pixels, int64_t longest);

/// Any thread: no state.
class SourceEncoder {
 public:
  /// Borrows both, which compute in float32 on `device`. `side`: of the square image that they read (published: 256);
  /// the crop has twice that.
  SourceEncoder(const AppearanceExtractor& appearance, const MotionExtractor& motion, int64_t side,
                at::Device device = at::kCPU)
      : appearance_(appearance), motion_(motion), side_(side), device_(device) {}

  /// `points` [n, 2] float32 in pixels of `pixels`, as crop_map() takes them. Throws Error(invalid_argument).
  SourceFrame encode(const at::Tensor& pixels, const at::Tensor& points, const CropRule& rule) const;
  /// The feature of a frame that has none.
  at::Tensor feature(const SourceFrame& frame) const;
  /// The square around its face, [2 side, 2 side, 3] uint8.
  at::Tensor crop(const SourceFrame& frame) const;
  /// On the device of the networks.
  at::Tensor placed(const at::Tensor& feature) const { return feature.to(device_); }
  int64_t crop_side() const noexcept { return 2 * side_; }

 private:
  /// What the networks read of a frame's crop: [1, 3, side, side].
  at::Tensor image(const at::Tensor& pixels, const Affine& to_crop) const;
  HeadMotion motion(const at::Tensor& image) const;

  const AppearanceExtractor& appearance_;
  const MotionExtractor& motion_;
  int64_t side_;
  at::Device device_;
};

/// Of a video: every field becomes the mean of `width` frames around it, fewer at the ends.
void smooth(std::vector<SourceFrame>& frames, int64_t width);

}  // namespace rushes::ditto
