// Which square of a picture the renderer gets, and how its frames go back into the picture.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace rushes::imtalker {

/// A face that a detector found, in pixels.
struct FaceBox {
  double x1, y1, x2, y2, score;
};

/// [x1, x2) x [y1, y2) of a picture.
struct Square {
  int64_t x1, y1, x2, y2;
  bool operator==(const Square&) const = default;
};

struct CropRule {
  double min_score = 0.5;      // boxes of a lower or equal score are no faces
  double crop_scale = 0.8;     // half a side, in longer sides of the box
  bool shift_inside = true;    // a square over the edge is moved inside before it is cut off there
  bool centre_if_none = true;  // without a face: the largest centred square of even side

  static CropRule server(double crop_scale) { return {0.5, crop_scale, true, true}; }
  static CropRule clamped(double crop_scale) { return {0.5, crop_scale, false, true}; }
  static CropRule strict() { return {0.95, 0.8, false, false}; }
};

/// The square around the first face of `boxes` (detectors give the best first), its sides cut to the smaller one.
/// Nothing if there is no face and the rule gives no other square. Throws Error(invalid_argument) if the square is
/// empty.
std::optional<Square> face_square(const std::vector<FaceBox>& boxes, int64_t height, int64_t width,
                                  const CropRule& rule);

/// The square of a driving video, one for all its frames: around the medians of the centres and of the longer sides of
/// the faces seen in some of them, 1.6 times as large, inside the picture; of boxes of one frame the widest counts.
/// Without any the largest centred square. As the published server does it.
Square driving_square(const std::vector<FaceBox>& faces, int64_t height, int64_t width);

/// Weights of a pasted face [side, side]: 0 at the border, rising to 1 over `margin` pixels.
at::Tensor border_mask(int64_t side, int64_t margin);

/// face [B, 3, s, s] into the square of full [B or 1, 3, H, W], both in [0, 1], resized bilinearly without
/// antialiasing; with a mask blended by it, resized in the same way, else replaced. Returns [B, 3, H, W].
at::Tensor paste_back(const at::Tensor& face, const at::Tensor& full, const Square& square,
                      const at::Tensor& mask = {});

enum class FrameRange {
  unit,            // values in [0, 1], others clipped
  unit_or_signed,  // the same, but frames with negative values are in [-1, 1]
};

/// Frames [B, 3, H, W] to 8-bit pictures [B, H, W, 3], truncated, on the CPU. unit_or_signed looks at each frame alone.
at::Tensor frames_to_pixels(const at::Tensor& frames, FrameRange range = FrameRange::unit);

/// 8-bit pictures [H, W, 3] or [B, H, W, 3] to what the networks take: float32 [B, 3, H, W] in [0, 1].
at::Tensor pixels_to_frames(const at::Tensor& pixels);

}  // namespace rushes::imtalker
