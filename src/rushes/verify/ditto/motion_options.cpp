#include "rushes/verify/ditto/motion_options.h"

#include <array>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::verify {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<const char*, ditto::Part>, 7> kParts{{{"scale", ditto::Part::scale},
                                                                     {"pitch", ditto::Part::pitch},
                                                                     {"yaw", ditto::Part::yaw},
                                                                     {"roll", ditto::Part::roll},
                                                                     {"t", ditto::Part::t},
                                                                     {"exp", ditto::Part::exp},
                                                                     {"kp", ditto::Part::kp}}};

ditto::Part part_named(const std::string& name) {
  for (const auto& [known, part] : kParts)
    if (name == known) return part;
  fail(ErrorCode::corrupt_data, "'{}' is not a part of motion", name);
}

std::optional<double> number(const json& from, const char* name) {
  return from.contains(name) && from[name].is_number() ? std::optional(from[name].get<double>()) : std::nullopt;
}

std::vector<ditto::Part> parts(const json& names) {
  std::vector<ditto::Part> found;
  for (const auto& name : names) found.push_back(part_named(name.get<std::string>()));
  return found;
}

}  // namespace

std::vector<std::vector<int64_t>> emotion_labels(const json& emo) {
  if (emo.is_number()) return {{emo.get<int64_t>()}};
  if (!emo.empty() && emo.front().is_number()) return {emo.get<std::vector<int64_t>>()};
  return emo.get<std::vector<std::vector<int64_t>>>();
}

ditto::WindowOptions window_options(const json& hyper) {
  ditto::WindowOptions options;
  options.frames = hyper.value("seq_frames", options.frames);
  options.overlap = hyper.value("overlap_v2", options.overlap);
  options.online = hyper.value("online_mode", false);
  options.smoothing = hyper.value("smo_k_d", options.smoothing);
  options.reset_every = hyper.value("fix_kp_cond", options.reset_every);
  if (hyper.contains("fix_kp_cond_dim") && hyper["fix_kp_cond_dim"].is_array())
    options.carried = std::pair{hyper["fix_kp_cond_dim"][0].get<int64_t>(), hyper["fix_kp_cond_dim"][1].get<int64_t>()};
  return options;
}

ditto::BlinkRule blink_rule(const json& open_n) {
  if (open_n.is_array()) return {.open = open_n.get<std::vector<int64_t>>(), .never = false};
  const int64_t n = open_n.get<int64_t>();
  if (n < 0) return {.open = {}, .never = true};
  return n == 0 ? ditto::BlinkRule{} : ditto::BlinkRule{.open = {n}, .never = false};
}

ditto::RetargetOptions retarget_options(const json& setup) {
  ditto::RetargetOptions options;
  options.image = setup.value("is_image_flag", true);
  options.relative = setup.value("relative_d", true);
  if (setup.contains("drive_eye") && setup["drive_eye"].is_boolean()) options.drive_eyes = setup["drive_eye"];
  if (setup.contains("use_d_keys") && setup["use_d_keys"].is_object())
    for (const auto& [name, weight] : setup["use_d_keys"].items())
      options.driving[part_named(name)] = weight.get<double>();
  if (setup.contains("use_d_keys") && setup["use_d_keys"].is_array())
    for (const ditto::Part part : parts(setup["use_d_keys"])) options.driving[part];
  const std::string fade = setup.value("fade_type", "");
  options.fade = fade == "d0" ? ditto::Fade::to_first_frame : fade == "s" ? ditto::Fade::to_source : ditto::Fade::none;
  if (setup.contains("fade_out_keys")) options.fade_out_keys = parts(setup["fade_out_keys"]);
  options.overall = frame_control(setup.value("overall_ctrl_info", json::object()));
  return options;
}

ditto::FrameControl frame_control(const json& control) {
  ditto::FrameControl result;
  result.vad_alpha = number(control, "vad_alpha");
  result.delta_pitch = number(control, "delta_pitch");
  result.delta_yaw = number(control, "delta_yaw");
  result.delta_roll = number(control, "delta_roll");
  result.alpha_pitch = number(control, "alpha_pitch");
  result.alpha_yaw = number(control, "alpha_yaw");
  result.alpha_roll = number(control, "alpha_roll");
  result.fade_alpha = number(control, "fade_alpha");
  if (control.contains("fade_out_keys")) result.fade_out_keys = parts(control["fade_out_keys"]);
  return result;
}

ditto::HeadMotion from_absolute_vector(const at::Tensor& vector) {
  ditto::HeadMotion motion = ditto::from_motion_vector(vector);
  motion.scale = motion.scale - 1;
  return motion;
}

}  // namespace rushes::verify
