// A frame of motion, made for one face, moves another one.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "rushes/models/ditto/pose.h"
#include "rushes/models/ditto/stitch_network.h"

namespace rushes::ditto {

enum class Part { scale, pitch, yaw, roll, t, exp, kp };

/// The tensor of a part.
at::Tensor& part(HeadMotion& motion, Part name);
const at::Tensor& part(const HeadMotion& motion, Part name);

/// What a client asks for one frame.
struct FrameControl {
  std::optional<double> vad_alpha;                           // below 1: the expression goes back to the source's
  std::optional<double> delta_pitch, delta_yaw, delta_roll;  // degrees
  std::optional<double> alpha_pitch, alpha_yaw, alpha_roll;
  at::Tensor delta_exp;  // [1, 63], or undefined
  std::optional<double> fade_alpha;
  std::optional<std::vector<Part>> fade_out_keys;

  /// What `overall` says where this says nothing.
  FrameControl or_else(const FrameControl& overall) const;
};

enum class Fade { none, to_first_frame, to_source };

struct RetargetOptions {
  bool image = true;  // of the source; else a video
  /// Parts that drive, with a weight where there is one. Empty: exp, pitch, yaw, roll and t for an image, exp for a
  /// video.
  std::map<Part, std::optional<double>> driving;
  bool relative = true;            // motion is measured from its first frame
  std::optional<bool> drive_eyes;  // by default for an image
  at::Tensor blink;                // [b, 63] offsets of a blink, or undefined
  std::vector<int64_t> blink_rows;
  Fade fade = Fade::none;
  std::vector<Part> fade_out_keys{Part::exp};
  std::optional<double> character_scale;  // of the reference character, against the source's
  FrameControl overall;
};

/// Moves the irises in an expression [1, 63] by so many units of the reference, 30 of which are far aside: x to the
/// right of the image, y up.
void look_at(at::Tensor& exp, double x, double y);

/// Order of what is done as in the reference. State of a session: frame count, first motion, what fades end in.
class Retargeting {
 public:
  /// `stitch` may be null: keypoints are not stitched. Borrowed.
  Retargeting(const RetargetOptions& options, const HeadMotion& first_source, const StitchNetwork* stitch);

  /// Another table of blinks, which goes on at the present frame.
  void set_blinks(std::vector<int64_t> rows) { options_.blink_rows = std::move(rows); }
  /// Where motion is measured from; without it, offline, the first frame is.
  void set_reference(const HeadMotion& motion) { reference_ = motion; }

  struct Keypoints {
    at::Tensor source, driving;  // [1, 21, 3] float32
  };
  Keypoints next(const HeadMotion& source, const HeadMotion& driving, const FrameControl& control = {});

 private:
  HeadMotion mixed(const HeadMotion& source, const HeadMotion& driving) const;
  void express(HeadMotion& motion, const HeadMotion& source, const FrameControl& control) const;
  static void turn(HeadMotion& motion, const FrameControl& control);
  void fade(HeadMotion& motion, const HeadMotion& source, const FrameControl& control);
  void look(HeadMotion& motion) const;
  bool drives_eyes() const { return options_.drive_eyes.value_or(options_.image); }

  RetargetOptions options_;
  const StitchNetwork* stitch_;
  at::Tensor source_pitch_, source_yaw_;  // [1, 1] degrees
  at::Tensor source_keypoints_;           // of an image
  std::optional<HeadMotion> reference_, fade_target_;
  int64_t frame_ = 0;
};

}  // namespace rushes::ditto
