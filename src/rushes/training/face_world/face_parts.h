// The head's geometry, and what draws its parts. Included by sources of the face world only.
#pragma once
#include <algorithm>
#include <cmath>

#include "rushes/training/face_world/canvas.h"
#include "rushes/training/face_world/face_world.h"

namespace rushes::training {

inline constexpr float kPitch = 0.17f, kYaw = 0.25f, kRoll = 0.18f;  // radians at control 1
inline constexpr float kShift = 4, kZoom = 0.07f;                    // pixels; share of the size
inline constexpr float kPixelsPerUnit = 39;

inline Rgb mixed(const Rgb& a, const Rgb& b, float t) {
  return {a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])};
}

/// The head as a ball with features at depths: where they appear after turning. All in head units.
class Head {
 public:
  Head(const Identity& identity, const FaceControls& controls)
      : cos_yaw_(std::cos(kYaw * controls.yaw)),
        sin_yaw_(std::sin(kYaw * controls.yaw)),
        cos_pitch_(std::cos(kPitch * controls.pitch)),
        sin_pitch_(std::sin(kPitch * controls.pitch)) {
    frame.origin = {64 + kShift * controls.shift_x, 62 + kShift * controls.shift_y};
    frame.scale = kPixelsPerUnit * identity.scale * (1 + kZoom * controls.zoom);
    frame.angle = kRoll * controls.roll;
  }
  Point at(float x, float y, float z) const {
    const float turned = z * cos_yaw_ - x * sin_yaw_;
    return {x * cos_yaw_ + z * sin_yaw_, y * cos_pitch_ - turned * sin_pitch_};
  }
  /// On the front of the ball.
  Point on_face(float x, float y, float lift = 0) const {
    return at(x, y, std::sqrt(std::max(0.05f, 1 - 0.8f * x * x - 0.5f * y * y)) * 0.85f + lift);
  }
  float narrowed(float x) const { return std::max(0.6f, cos_yaw_ - 0.5f * x * sin_yaw_); }

  Frame frame;

 private:
  float cos_yaw_, sin_yaw_, cos_pitch_, sin_pitch_;
};

inline constexpr float kEyeY = -0.12f;

inline Point mouth_centre(const Identity& id, const Head& head, const FaceControls& c) {
  return head.on_face(0, id.mouth_height + 0.05f * c.jaw);
}

/// Half width and half height of the opening, thickness of the lips: in head units.
struct MouthShape {
  float half, open, lip;
};

inline MouthShape mouth_shape(const Identity& id, const FaceControls& c) {
  return {id.mouth_width * (1 + 0.25f * c.width) * (1 - 0.42f * c.rounding), 0.25f * c.jaw * (1 - 0.25f * c.rounding),
          id.lip * (1 + 0.5f * c.rounding)};
}

// From back to front.
void draw_behind(Canvas& canvas, const Identity& id, const Head& head);
void draw_body(Canvas& canvas, const Identity& id, const Head& head);
void draw_skull(Canvas& canvas, const Identity& id, const Head& head, const FaceControls& c);
void draw_cheeks_and_nose(Canvas& canvas, const Identity& id, const Head& head);
void draw_eyes(Canvas& canvas, const Identity& id, const Head& head, const FaceControls& c);
void draw_mouth(Canvas& canvas, const Identity& id, const Head& head, const FaceControls& c);
void draw_hair(Canvas& canvas, const Identity& id, const Head& head);
void draw_glasses(Canvas& canvas, const Identity& id, const Head& head);

}  // namespace rushes::training
