#include "rushes/verify/ditto/motion_options.h"

#include "rushes/generation/ditto/settings.h"
#include "rushes/tensor/ops.h"

namespace rushes::verify {

using nlohmann::json;

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

ditto::RetargetOptions retarget_options(const json& setup) {
  ditto::RetargetOptions options;
  options.image = setup.value("is_image_flag", true);
  options.relative = setup.value("relative_d", true);
  if (setup.contains("drive_eye") && setup["drive_eye"].is_boolean()) options.drive_eyes = setup["drive_eye"];
  options.driving = generation::driving_parts_of(setup.value("use_d_keys", json()));
  options.fade = generation::fade_of(setup.value("fade_type", ""));
  if (setup.contains("fade_out_keys")) options.fade_out_keys = generation::parts_of_motion(setup["fade_out_keys"]);
  options.overall = generation::frame_control_of(setup.value("overall_ctrl_info", json::object()));
  return options;
}

ditto::HeadMotion from_absolute_vector(const at::Tensor& vector) {
  ditto::HeadMotion motion = ditto::from_motion_vector(vector);
  motion.scale = motion.scale - 1;
  return motion;
}

}  // namespace rushes::verify
