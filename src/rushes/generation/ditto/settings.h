// What a session of Ditto can be told: the published names of its options, with the model's own values under them.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rushes/base/options.h"
#include "rushes/models/ditto/control_tables.h"
#include "rushes/models/ditto/face_geometry.h"
#include "rushes/models/ditto/motion_windows.h"
#include "rushes/models/ditto/retargeting.h"
#include "rushes/models/ditto/speech_features.h"

namespace rushes::generation {

/// A face whose resting state and proportions condition the motion instead of the source's.
struct DittoCharacter {
  ditto::HeadMotion motion;
  at::Tensor sc, eye_open, eye_ball;  // [63]; [n, 2], [n, 6], or undefined
};

/// What the sliders of a running session move.
struct DittoLive {
  std::optional<double> delta_pitch, delta_yaw, delta_roll;  // degrees
  double gaze_x = 0, gaze_y = 0;                             // -1 .. 1
  std::optional<double> blinks_a_minute;
};

struct DittoSettings {
  int64_t max_size = 1920;
  ditto::CropRule crop;
  int64_t source_smoothing = 13;  // smo_k_s, frames of a source video
  at::Tensor emotion;             // [m, 8]
  bool first_eyes_only = false;   // eye_f0_mode
  ditto::WindowOptions windows;   // without T, which is the model's
  int64_t sampling_steps = 50;
  std::optional<int64_t> frame_count;  // N_d
  ditto::RetargetOptions retarget;     // without tables that depend on the session
  ditto::BlinkRule blink;
  bool stitching = true;
  std::optional<DittoCharacter> character;
  ditto::ChunkSize chunk;
  int64_t fade_in = -1, fade_out = -1;  // frames
  std::map<int64_t, ditto::FrameControl> controls;
  bool emit_tail = false;
  std::string avatar;  // a registered source, instead of an image; empty: none
  at::Tensor points;   // [n, 2] of the face in the source, or undefined
  DittoLive live;
};

/// The options of a model, whose settings are the defaults. Those that hold JSON are marked.
std::vector<OptionField> ditto_options(const DittoSettings& defaults);

/// `given` over `settings`. They are checked as to names, types and ranges; throws Error(invalid_argument) naming the
/// option for JSON that is not what the option takes.
void apply(const Options& given, DittoSettings& settings);

// The parts of it that golden cases and configuration files have too.

/// A label from 0 to 7, a list of them (one row), a list of lists (a row each), or rows of 8 numbers: [m, 8].
at::Tensor emotions_of(const nlohmann::json& emo);
/// A number of frames, a list of them, 0 (random from 60 to 100) or below 0 (never).
ditto::BlinkRule blink_rule_of(const nlohmann::json& open_n);
/// Names, or an object of names and weights.
std::map<ditto::Part, std::optional<double>> driving_parts_of(const nlohmann::json& keys);
std::vector<ditto::Part> parts_of_motion(const nlohmann::json& names);
/// "d0", "s", or another word for none.
ditto::Fade fade_of(const std::string& name);
/// An object with vad_alpha, delta_pitch, ... as ctrl_info has it for a frame.
ditto::FrameControl frame_control_of(const nlohmann::json& control);
/// {"0": {...}, "12": {...}} by frame number.
std::map<int64_t, ditto::FrameControl> frame_controls_of(const nlohmann::json& by_frame);
/// A list of lists of numbers [rows, columns]; -1: any number of them.
at::Tensor matrix_of(const nlohmann::json& rows, int64_t height, int64_t width, const char* name);

}  // namespace rushes::generation
