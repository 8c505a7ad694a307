#include "rushes/models/ditto/retargeting.h"

#include <array>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

constexpr std::array kDriven{Part::scale, Part::pitch, Part::yaw, Part::roll, Part::t, Part::exp};
constexpr std::array kLipPoints{6, 12, 14, 17, 19, 20};
constexpr std::array kEyePoints{11, 13, 15, 16, 18};

/// [1, 63]: 1 at the numbers of these keypoints.
template <std::size_t n>
at::Tensor mask(const std::array<int, n>& points) {
  at::Tensor mask = at::zeros({kKeypoints, 3}, at::kFloat);
  for (const int point : points) mask[point].fill_(1);
  return mask.view({1, -1});
}

}  // namespace

at::Tensor& part(HeadMotion& motion, Part name) {
  switch (name) {
    case Part::scale: return motion.scale;
    case Part::pitch: return motion.pitch;
    case Part::yaw: return motion.yaw;
    case Part::roll: return motion.roll;
    case Part::t: return motion.t;
    case Part::exp: return motion.exp;
    case Part::kp: break;
  }
  return motion.kp;
}

const at::Tensor& part(const HeadMotion& motion, Part name) { return part(const_cast<HeadMotion&>(motion), name); }

FrameControl FrameControl::or_else(const FrameControl& overall) const {
  const auto first = [](const auto& own, const auto& other) { return own ? own : other; };
  return {.vad_alpha = first(vad_alpha, overall.vad_alpha),
          .delta_pitch = first(delta_pitch, overall.delta_pitch),
          .delta_yaw = first(delta_yaw, overall.delta_yaw),
          .delta_roll = first(delta_roll, overall.delta_roll),
          .alpha_pitch = first(alpha_pitch, overall.alpha_pitch),
          .alpha_yaw = first(alpha_yaw, overall.alpha_yaw),
          .alpha_roll = first(alpha_roll, overall.alpha_roll),
          .delta_exp = delta_exp.defined() ? delta_exp : overall.delta_exp,
          .fade_alpha = first(fade_alpha, overall.fade_alpha),
          .fade_out_keys = first(fade_out_keys, overall.fade_out_keys)};
}

void look_at(at::Tensor& exp, double x, double y) {
  auto* values = exp.data_ptr<float>();
  values[33] += static_cast<float>(x * (x > 0 ? 0.0007 : 0.001));
  values[45] += static_cast<float>(x * (x > 0 ? 0.001 : 0.0007));
  values[34] -= static_cast<float>(y * 0.001);
  values[46] -= static_cast<float>(y * 0.001);
}

Retargeting::Retargeting(const RetargetOptions& options, const HeadMotion& first_source, const StitchNetwork* stitch)
    : options_(options), stitch_(stitch) {
  if (options_.driving.empty()) {
    options_.driving[Part::exp];
    if (options_.image)
      for (const Part name : {Part::pitch, Part::yaw, Part::roll, Part::t}) options_.driving[name];
  }
  if (options_.character_scale) {
    // Another head's motion is as large as its face.
    const double ratio = *options_.character_scale / first_source.scale.item<float>();
    if (ratio != 1)
      for (const Part name : {Part::exp, Part::pitch, Part::yaw, Part::roll})
        if (const auto found = options_.driving.find(name); found != options_.driving.end())
          found->second = found->second.value_or(1.0) * ratio;
  }
  source_pitch_ = degrees(first_source.pitch);
  source_yaw_ = degrees(first_source.yaw);
}

HeadMotion Retargeting::mixed(const HeadMotion& source, const HeadMotion& driving) const {
  HeadMotion motion = source;
  for (const Part name : kDriven) {
    const auto found = options_.driving.find(name);
    if (found == options_.driving.end()) continue;
    const double weight = found->second.value_or(1.0);
    const at::Tensor& value = part(driving, name);
    if (reference_)
      part(motion, name) = part(source, name) + (value - part(*reference_, name)) * weight;
    else
      part(motion, name) = value * weight;
  }
  return motion;
}

void Retargeting::express(HeadMotion& motion, const HeadMotion& source, const FrameControl& control) const {
  static const at::Tensor lips = mask(kLipPoints), eyes = mask(kEyePoints);
  const bool blinks = drives_eyes() && options_.blink.defined() && !options_.blink_rows.empty();
  const at::Tensor driven = drives_eyes() && !blinks ? lips + eyes : lips;
  motion.exp = motion.exp * driven + source.exp * (1 - driven);
  if (blinks) {
    const auto row = options_.blink_rows[static_cast<std::size_t>(frame_) % options_.blink_rows.size()];
    motion.exp = motion.exp + options_.blink.narrow(0, row, 1) * eyes;
  }
  if (const double alpha = control.vad_alpha.value_or(1.0); alpha < 1)
    motion.exp = motion.exp * alpha + source.exp * (1 - alpha);
}

void Retargeting::turn(HeadMotion& motion, const FrameControl& control) {
  const std::array<std::pair<at::Tensor*, const std::optional<double>*>, 3> deltas{
      {{&motion.pitch, &control.delta_pitch}, {&motion.yaw, &control.delta_yaw}, {&motion.roll, &control.delta_roll}}};
  for (const auto& [angle, delta] : deltas)
    if (*delta) *angle = degrees(*angle) + **delta;
  const std::array<std::pair<at::Tensor*, const std::optional<double>*>, 3> alphas{
      {{&motion.pitch, &control.alpha_pitch}, {&motion.yaw, &control.alpha_yaw}, {&motion.roll, &control.alpha_roll}}};
  for (const auto& [angle, alpha] : alphas)
    if (*alpha) *angle = *angle * **alpha;
  if (control.delta_exp.defined()) motion.exp = motion.exp + control.delta_exp;
}

void Retargeting::fade(HeadMotion& motion, const HeadMotion& source, const FrameControl& control) {
  if (options_.fade == Fade::none) return;
  if (options_.fade == Fade::to_first_frame && !fade_target_) fade_target_ = motion;
  if (!control.fade_alpha) return;
  const HeadMotion& target = options_.fade == Fade::to_source ? source : *fade_target_;
  const double alpha = *control.fade_alpha;
  for (const Part name : control.fade_out_keys.value_or(options_.fade_out_keys))
    if (name != Part::kp) part(motion, name) = part(motion, name) * alpha + part(target, name) * (1 - alpha);
}

// The eyes stay on what the source looked at while the head turns.
void Retargeting::look(HeadMotion& motion) const {
  const double x = ((degrees(motion.yaw) - source_yaw_) * 0.26).item<float>(),
               y = ((degrees(motion.pitch) - source_pitch_) * 0.28).item<float>();
  at::Tensor exp = motion.exp.clone();
  look_at(exp, x, y);
  motion.exp = exp;
}

Retargeting::Keypoints Retargeting::next(const HeadMotion& source, const HeadMotion& driving, const FrameControl& own) {
  const FrameControl control = own.or_else(options_.overall);
  if (options_.relative && !reference_) reference_ = driving;
  HeadMotion motion = mixed(source, driving);
  express(motion, source, control);
  turn(motion, control);
  fade(motion, source, control);
  if (drives_eyes()) look(motion);

  if (!source_keypoints_.defined() || !options_.image) source_keypoints_ = keypoints(source, source.kp);
  Keypoints points{source_keypoints_, keypoints(motion, source.kp)};
  if (stitch_ != nullptr) points.driving = stitch_->forward(points.source, points.driving);
  ++frame_;
  return points;
}

}  // namespace rushes::ditto
