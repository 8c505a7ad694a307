#include "rushes/generation/ditto/settings.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/option_fields.h"
#include "rushes/base/printable.h"
#include "rushes/generation/faces.h"
#include "rushes/models/ditto/conditions.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using nlohmann::json;

constexpr ErrorCode kBad = ErrorCode::invalid_argument;
constexpr double kMostText = 1 << 20;  // bytes of JSON

using option_fields::flag, option_fields::live, option_fields::real, option_fields::whole;

OptionField text(const char* name, const char* doc, bool live = false) {
  return {.name = name, .type = OptionType::text, .doc = doc, .most = kMostText, .live = live, .json = true};
}
OptionField list(const char* name, const char* doc, OptionValue standard, std::size_t count, double least,
                 double most) {
  return {.name = name,
          .type = OptionType::numbers,
          .doc = doc,
          .standard = std::move(standard),
          .least = least,
          .most = most,
          .least_count = count,
          .most_count = count};
}

std::string fade_name(ditto::Fade fade) {
  return fade == ditto::Fade::to_first_frame ? "d0" : fade == ditto::Fade::to_source ? "s" : "none";
}

/// In the order of their labels.
const std::vector<std::string>& emotions() {
  static const std::vector<std::string> names{"angry",   "disgust", "fear",     "happy",
                                              "neutral", "sad",     "surprise", "contempt"};
  return names;
}

json parsed(const std::string& name, const std::string& value) {
  const auto named = std::find(emotions().begin(), emotions().end(), value);
  if (name == "emo" && named != emotions().end()) return named - emotions().begin();
  json found = json::parse(value, nullptr, /*allow_exceptions=*/false);
  require(!found.is_discarded() || name != "emo", kBad,
          "emo must be {}, or a label from 0 to {}, or JSON with several of them (got '{}')",
          fmt::join(emotions(), ", "), emotions().size() - 1, printable(value));
  require(!found.is_discarded(), kBad, "{} must be JSON (got '{}')", name, printable(value));
  return found;
}

/// Bounds of the motion numbers: rows of lowest and highest values.
void clip(DittoSettings& settings, const json& rows) {
  require(rows.is_array() && rows.size() >= 2, kBad,
          "v_min_max_for_clip must have at least two rows, of lowest and highest values");
  const at::Tensor bounds = matrix_of(rows, -1, ditto::kMotion, "v_min_max_for_clip");
  settings.windows.lowest = bounds[0];
  settings.windows.highest = bounds[1];
}

DittoCharacter character_of(const json& info) {
  require(info.is_object() && info.contains("x_s_info"), kBad,
          "ch_info must be an object with x_s_info (scale, pitch, yaw, roll, t, exp, kp)");
  const json& source = info["x_s_info"];
  const auto row = [&](const char* name, int64_t width) {
    require(source.is_object() && source.contains(name), kBad, "ch_info: x_s_info lacks {}", name);
    const json& value = source[name];
    const bool is_nested = value.is_array() && !value.empty() && value.front().is_array();
    return matrix_of(is_nested ? value : json::array({value.is_array() ? value : json::array({value})}), 1, width,
                     name);
  };
  DittoCharacter character;
  character.motion = {.scale = row("scale", 1),
                      .pitch = row("pitch", ditto::kBins),
                      .yaw = row("yaw", ditto::kBins),
                      .roll = row("roll", ditto::kBins),
                      .t = row("t", 3),
                      .exp = row("exp", ditto::kExpression),
                      .kp = row("kp", ditto::kExpression)};
  character.sc = character.motion.kp.squeeze(0);
  if (info.contains("eye_open_lst")) character.eye_open = matrix_of(info["eye_open_lst"], -1, 2, "eye_open_lst");
  if (info.contains("eye_ball_lst")) character.eye_ball = matrix_of(info["eye_ball_lst"], -1, 6, "eye_ball_lst");
  return character;
}

/// Options that are JSON, and what takes them.
const std::map<std::string, std::function<void(DittoSettings&, const json&)>>& json_options() {
  static const std::map<std::string, std::function<void(DittoSettings&, const json&)>> known{
      {"emo", [](DittoSettings& s, const json& v) { s.emotion = emotions_of(v); }},
      {"ch_info",
       [](DittoSettings& s, const json& v) {
         if (v.is_null())
           s.character.reset();
         else
           s.character = character_of(v);
       }},
      {"v_min_max_for_clip", clip},
      {"use_d_keys", [](DittoSettings& s, const json& v) { s.retarget.driving = driving_parts_of(v); }},
      {"delta_eye_arr",
       [](DittoSettings& s, const json& v) {
         s.retarget.blink = v.is_null() ? at::Tensor() : matrix_of(v, -1, ditto::kExpression, "delta_eye_arr");
       }},
      {"delta_eye_open_n", [](DittoSettings& s, const json& v) { s.blink = blink_rule_of(v); }},
      {"fade_out_keys", [](DittoSettings& s, const json& v) { s.retarget.fade_out_keys = parts_of_motion(v); }},
      {"overall_ctrl_info", [](DittoSettings& s, const json& v) { s.retarget.overall = frame_control_of(v); }},
      {"ctrl_info", [](DittoSettings& s, const json& v) { s.controls = frame_controls_of(v); }},
      {"points", [](DittoSettings& s, const json& v) { s.points = matrix_of(v, -1, 2, "points"); }}};
  return known;
}

}  // namespace

ditto::Fade fade_of(const std::string& name) {
  return name == "d0" ? ditto::Fade::to_first_frame : name == "s" ? ditto::Fade::to_source : ditto::Fade::none;
}

std::vector<OptionField> ditto_options(const DittoSettings& d) {
  OptionField emo = text("emo",
                         "emotion: a name, a label (0 angry, 1 disgust, 2 fear, 3 happy, 4 neutral, 5 sad, 6 surprise, "
                         "7 contempt), a list of labels, a list of such lists or rows of 8 weights",
                         /*live=*/true);
  emo.choices = emotions();
  return {
      {.name = "online_mode",
       .type = OptionType::boolean,
       .doc = "frames follow while speech arrives; otherwise they come when it has ended",
       .standard = d.windows.online},
      whole("max_size", "longer side of the video in pixels, at most", d.max_size, 64, 4096),
      real("crop_scale", "side of the square that is animated, in sizes of the face", d.crop.scale, 1, 8),
      real("crop_vx_ratio", "accepted for compatibility; has no effect, as in the reference", d.crop.shift_x, -1, 1),
      real("crop_vy_ratio", "shift of the square down the face, in its sides", d.crop.shift_y, -1, 1),
      flag("crop_flag_do_rot", "turn the square with the face", d.crop.rotate),
      whole("smo_k_s", "frames over which the motion of a source video is smoothed", d.source_smoothing, 1, 1000),
      std::move(emo),
      flag("eye_f0_mode", "of a source video, the eyes of the first frame count", d.first_eyes_only),
      text("ch_info", "reference character: x_s_info, eye_open_lst, eye_ball_lst"),
      whole("overlap_v2", "frames that windows of motion have in common", d.windows.overlap, 1, 10'000),
      whole("fix_kp_cond", "windows after which the motion starts from the source again; 0: never",
            d.windows.reset_every, 0, 1'000'000),
      list("fix_kp_cond_dim", "numbers of the motion that go on nevertheless: first, last + 1", {}, 2, 0,
           ditto::kMotion),
      whole("sampling_timesteps", "steps in which a window of motion is sampled", d.sampling_steps, 1, 1000),
      text("v_min_max_for_clip", "lowest and highest values of the 265 motion numbers"),
      whole("smo_k_d", "frames over which the motion is smoothed", d.windows.smoothing, 0, 1000),
      whole("N_d", "number of frames, which fades and blinks are laid out for; -1: that of the speech", int64_t{-1}, -1,
            10'000'000),
      text("use_d_keys", "parts of the motion that are driven: names, or names with weights"),
      flag("relative_d", "motion is measured from its first frame", d.retarget.relative),
      flag("drive_eye", "the eyes are driven too; default: of an image, not of a video", {}),
      text("delta_eye_arr", "a blink: rows of 63 offsets"),
      text("delta_eye_open_n", "frames between blinks: a number, a list, 0 (60 to 100 by chance) or -1 (no blinks)"),
      {.name = "fade_type",
       .type = OptionType::choice,
       .doc = "what fades end in: the first frame (d0) or the source (s)",
       .standard = fade_name(d.retarget.fade),
       .choices = {"none", "d0", "s", ""}},
      text("fade_out_keys", "parts of the motion that fade"),
      flag("flag_stitching", "keep the shoulders in place", d.stitching),
      text("overall_ctrl_info", "controls of all frames: vad_alpha, delta_pitch, delta_yaw, delta_roll, ..."),
      list("chunksize", "frames of speech that a piece is heard with: past, new, future",
           std::vector<double>{static_cast<double>(d.chunk.past), static_cast<double>(d.chunk.current),
                               static_cast<double>(d.chunk.future)},
           3, 0, 1000),
      whole("fade_in", "frames over which the motion fades in; -1: none", d.fade_in, -1, 1'000'000),
      whole("fade_out", "frames over which it fades out; -1: none", d.fade_out, -1, 1'000'000),
      text("ctrl_info", "controls by frame number"),
      {.name = "avatar",
       .type = OptionType::text,
       .doc = "name of a registered source, instead of an image",
       .most = 64},
      face_option(),
      text("points", "of the face in the source, in pixels: 5, 68, 101, 106 or 203 pairs"),
      flag("emit_tail", "give out the frames behind the end of the speech too, as the reference does", d.emit_tail),
      live(real("delta_pitch", "head up or down, in degrees", 0.0, -30, 30)),
      live(real("delta_yaw", "head to the side, in degrees", 0.0, -30, 30)),
      live(real("delta_roll", "head tilt, in degrees", 0.0, -30, 30)),
      live(real("gaze_x", "eyes to the side, as far as they go at -1 and 1", 0.0, -1, 1)),
      live(real("gaze_y", "eyes up or down, as far as they go at -1 and 1", 0.0, -1, 1)),
      live(real("blink_rate", "blinks a minute; by default the model's own", {}, 0, 60)),
  };
}

void apply(const Options& given, DittoSettings& settings) {
  const auto integer = [&](const char* name, int64_t& value) { value = given.get<int64_t>(name).value_or(value); };
  const auto number = [&](const char* name, double& value) { value = given.get<double>(name).value_or(value); };
  const auto boolean = [&](const char* name, bool& value) { value = given.get<bool>(name).value_or(value); };
  boolean("online_mode", settings.windows.online);
  integer("max_size", settings.max_size);
  number("crop_scale", settings.crop.scale);
  number("crop_vy_ratio", settings.crop.shift_y);  // crop_vx_ratio is not forwarded by the reference either
  boolean("crop_flag_do_rot", settings.crop.rotate);
  integer("smo_k_s", settings.source_smoothing);
  boolean("eye_f0_mode", settings.first_eyes_only);
  integer("overlap_v2", settings.windows.overlap);
  integer("fix_kp_cond", settings.windows.reset_every);
  if (const auto range = given.get<std::vector<double>>("fix_kp_cond_dim")) {
    const auto first = static_cast<int64_t>((*range)[0]), end = static_cast<int64_t>((*range)[1]);
    require(first < end, kBad, "fix_kp_cond_dim: [{}, {}] is empty", first, end);
    settings.windows.carried = {first, end};
  }
  integer("sampling_timesteps", settings.sampling_steps);
  integer("smo_k_d", settings.windows.smoothing);
  if (const auto frames = given.get<int64_t>("N_d"); frames && *frames > 0) settings.frame_count = *frames;
  boolean("relative_d", settings.retarget.relative);
  if (const auto eyes = given.get<bool>("drive_eye")) settings.retarget.drive_eyes = *eyes;
  if (const auto fade = given.get<std::string>("fade_type")) settings.retarget.fade = fade_of(*fade);
  boolean("flag_stitching", settings.stitching);
  if (const auto sizes = given.get<std::vector<double>>("chunksize")) {
    const auto is_whole = [](double frames) { return std::floor(frames) == frames; };
    require(std::all_of(sizes->begin(), sizes->end(), is_whole), kBad,
            "chunksize must be three whole numbers of frames (got {})", fmt::join(*sizes, ", "));
    settings.chunk = {static_cast<int64_t>((*sizes)[0]), static_cast<int64_t>((*sizes)[1]),
                      static_cast<int64_t>((*sizes)[2])};
    settings.chunk.check();
  }
  integer("fade_in", settings.fade_in);
  integer("fade_out", settings.fade_out);
  boolean("emit_tail", settings.emit_tail);
  settings.avatar = given.get<std::string>("avatar").value_or(settings.avatar);
  for (const auto& [name, take] : json_options())
    if (const auto value = given.get<std::string>(name)) take(settings, parsed(name, *value));
  for (const auto& [name, value] :
       {std::pair{"delta_pitch", &settings.live.delta_pitch}, std::pair{"delta_yaw", &settings.live.delta_yaw},
        std::pair{"delta_roll", &settings.live.delta_roll}, std::pair{"blink_rate", &settings.live.blinks_a_minute}})
    if (const auto said = given.get<double>(name)) *value = *said;
  number("gaze_x", settings.live.gaze_x);
  number("gaze_y", settings.live.gaze_y);
}

}  // namespace rushes::generation
