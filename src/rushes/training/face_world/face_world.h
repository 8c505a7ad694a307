// The procedural world of the shipped talking heads and avatar: drawn faces of many people, and what moves in them.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/training/face_world/canvas.h"
#include "rushes/training/random.h"

namespace rushes::training {

constexpr int64_t kFaceSide = 128;  // pixels
constexpr int64_t kControls = 13;

/// What moves in a face. Pose, shift, zoom, gaze, brow and width are in -1 .. 1 with 0 neutral; blink, jaw and
/// rounding in 0 .. 1 with 0 open, shut and flat. Positive pitch looks up, positive yaw and shift_x go to the
/// picture's right, positive roll turns clockwise, positive shift_y and gaze_y go down.
struct FaceControls {
  float pitch = 0, yaw = 0, roll = 0;
  float shift_x = 0, shift_y = 0, zoom = 0;
  float gaze_x = 0, gaze_y = 0;
  float blink = 0, brow = 0;
  float jaw = 0, width = 0, rounding = 0;
  // What emotions add, in no motion latent, -1 .. 1: the corners of the mouth on the picture's left and right, and the
  // inner ends of the brows. Positive is up.
  float smile_left = 0, smile_right = 0, brow_inner = 0;
};

/// Every control within its range.
FaceControls clamped(const FaceControls& controls);

/// Controls as the shipped model's motion latent, [kControls] in the order of the fields: scaled to a spread of
/// about 1, with 0 for the neutral face.
at::Tensor motion_latent(const FaceControls& controls);
FaceControls controls_of(const at::Tensor& motion_latent);

enum class HairStyle { bald, cropped, short_hair, long_hair, curly, side_parting };
enum class Beard { none, moustache, full };

/// Who it is: nothing here moves.
struct Identity {
  Rgb skin, hair, iris, lips, shirt, ground_from, ground_to, glasses_colour;
  HairStyle hair_style;
  Beard beard;
  bool glasses;
  float ground_angle, light_angle, light_depth;
  float face_width, jaw_width, chin, ear, eye_spacing, eye_size, eye_height, brow_width, brow_tilt;
  float nose_length, nose_width, mouth_height, mouth_width, lip, blush, scale;
};

/// The person number `index` of a seed; those of `held_out` are never drawn in training. Any thread.
Identity make_identity(uint64_t seed, uint64_t index, Split split);

/// [3, kFaceSide, kFaceSide] float32 in [0, 1]. Controls beyond their range are drawn as their bounds. Any thread.
at::Tensor draw_face(const Identity& identity, const FaceControls& controls);

/// Where a loss should look: [1, kFaceSide, kFaceSide] with 1 at eyes and mouth, 0 elsewhere, soft between.
at::Tensor attention_map(const Identity& identity, const FaceControls& controls);

/// Where each cell of a side x side grid over the moved picture comes from in the source picture: [side^2, 3] float32,
/// x and y in cells (centre of the first: 0), and the share of the cell that shows the inside of the mouth. Head and
/// body move each in its own way, lips, chin and lids follow jaw and blink, the iris follows the gaze.
at::Tensor correspondence(const Identity& identity, const FaceControls& source, const FaceControls& moved,
                          int64_t side);

/// Centre of the mouth and half of the largest mouth, in pixels: where its opening is measured.
struct MouthBox {
  int64_t x, y, half_width, half_height;
};
MouthBox mouth_box(const Identity& identity, const FaceControls& controls);

/// Independent controls for one picture: every movement in every strength, often near neutral.
FaceControls random_controls(Random& random);
/// The same for a portrait: mostly the eyes are open and the mouth is shut.
FaceControls portrait_controls(Random& random);

/// Makes the head's pose, shift and zoom `share` of what they are, around those of `centre`.
void calm(FaceControls& controls, const FaceControls& centre, float share);

/// The mouth at rest; pose, gaze, blinks and brows of someone who listens or speaks, video frame by video frame at 25
/// per second: slow waves around the pose and the gaze of `centre`, eyes that jump, a blink every three seconds or so.
std::vector<FaceControls> idle_motion(Random& random, const FaceControls& centre, int64_t video_frames);

}  // namespace rushes::training
