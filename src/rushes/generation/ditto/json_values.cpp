// Options of Ditto that are JSON: what they may hold.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/generation/ditto/settings.h"
#include "rushes/models/ditto/conditions.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using nlohmann::json;

constexpr ErrorCode kBad = ErrorCode::invalid_argument;
constexpr int64_t kMostRows = 100'000;        // of a matrix
constexpr double kMostControl = 1000;         // of every number of a control
constexpr int64_t kMostOpenFrames = 100'000;  // between blinks
constexpr std::array<std::pair<const char*, ditto::Part>, 7> kParts{{{"scale", ditto::Part::scale},
                                                                     {"pitch", ditto::Part::pitch},
                                                                     {"yaw", ditto::Part::yaw},
                                                                     {"roll", ditto::Part::roll},
                                                                     {"t", ditto::Part::t},
                                                                     {"exp", ditto::Part::exp},
                                                                     {"kp", ditto::Part::kp}}};

ditto::Part part_named(const json& name) {
  for (const auto& [known, part] : kParts)
    if (name.is_string() && name.get_ref<const std::string&>() == known) return part;
  fail(kBad, "{} is not a part of the motion; they are scale, pitch, yaw, roll, t, exp and kp", printable(name.dump()));
}

double number_of(const json& value, const std::string& name, double least, double most) {
  const double number = value.is_number() ? value.get<double>() : NAN;
  require(number >= least && number <= most, kBad, "{} must be a number from {} to {}", name, least, most);
  return number;
}

int64_t integer_of(const json& value, const std::string& name, int64_t least, int64_t most) {
  const int64_t number = value.is_number_integer() ? value.get<int64_t>() : least - 1;
  require(number >= least && number <= most, kBad, "{} must be an integer from {} to {}", name, least, most);
  return number;
}

/// A control that other engines leave at null means that it is not given.
void set(std::optional<double>& target, const json& control, const char* name) {
  if (const auto found = control.find(name); found != control.end() && !found->is_null())
    target = number_of(*found, name, -kMostControl, kMostControl);
}

}  // namespace

at::Tensor matrix_of(const json& rows, int64_t height, int64_t width, const char* name) {
  const std::string shape =
      fmt::format("{} lists of {} numbers", height < 0 ? std::string("some") : std::to_string(height), width);
  require(rows.is_array() && !rows.empty() && static_cast<int64_t>(rows.size()) <= kMostRows &&
              (height < 0 || static_cast<int64_t>(rows.size()) == height),
          kBad, "{} must be {}", name, shape);
  at::Tensor matrix = at::empty({static_cast<int64_t>(rows.size()), width}, at::kFloat);
  float* out = matrix.data_ptr<float>();
  for (const json& row : rows) {
    require(row.is_array() && static_cast<int64_t>(row.size()) == width, kBad, "{} must be {}", name, shape);
    for (const json& value : row)
      *out++ = static_cast<float>(number_of(value, std::string("each number of ") + name, -1e6, 1e6));
  }
  return matrix;
}

namespace {

/// Eight numbers are what labels become: they add up to 1. Eight labels do not. Throws for numbers that are neither.
bool is_row(const json& row) {
  if (!row.is_array() || row.size() != ditto::kEmotions) return false;
  double sum = 0;
  bool labels = true;
  for (const json& value : row) {
    if (!value.is_number()) return false;
    sum += value.get<double>();
    labels = labels && value.is_number_integer();
  }
  const bool adds_up = std::abs(sum - 1) < 0.01;
  require(adds_up || labels, kBad, "emo: the {} numbers of a row must add up to 1 (they add up to {:.3g})",
          ditto::kEmotions, sum);
  return adds_up;
}

}  // namespace

at::Tensor emotions_of(const json& emo) {
  const auto label = [](const json& value) { return integer_of(value, "emo", 0, ditto::kEmotions - 1); };
  const auto labels = [&](const json& row) {
    std::vector<int64_t> found;
    for (const json& value : row) found.push_back(label(value));
    return found;
  };
  if (emo.is_number()) return ditto::emotion_rows({{label(emo)}});
  require(emo.is_array() && !emo.empty() && static_cast<int64_t>(emo.size()) <= kMostRows, kBad,
          "emo must be a label from 0 to {}, a list of labels, a list of such lists or rows of {} numbers",
          ditto::kEmotions - 1, ditto::kEmotions);
  if (emo.front().is_number()) return ditto::emotion_rows({labels(emo)});
  if (is_row(emo.front())) return matrix_of(emo, -1, ditto::kEmotions, "emo");
  std::vector<std::vector<int64_t>> rows;
  for (const json& row : emo) {
    require(row.is_array(), kBad, "emo must be a list of labels, or of lists of labels, not of both");
    rows.push_back(labels(row));
  }
  return ditto::emotion_rows(rows);
}

ditto::BlinkRule blink_rule_of(const json& open_n) {
  const auto frames = [](const json& value, int64_t least) {
    return integer_of(value, "delta_eye_open_n", least, kMostOpenFrames);
  };
  if (!open_n.is_array()) {
    const int64_t n = frames(open_n, -1);
    if (n < 0) return {.open = {}, .never = true};
    return n == 0 ? ditto::BlinkRule{} : ditto::BlinkRule{.open = {n}, .never = false};
  }
  ditto::BlinkRule rule;
  require(!open_n.empty(), kBad, "delta_eye_open_n: the list is empty");
  for (const json& value : open_n) rule.open.push_back(frames(value, 1));
  return rule;
}

std::vector<ditto::Part> parts_of_motion(const json& names) {
  require(names.is_array(), kBad, "parts of the motion must be a list of names");
  std::vector<ditto::Part> parts;
  for (const json& name : names) parts.push_back(part_named(name));
  return parts;
}

std::map<ditto::Part, std::optional<double>> driving_parts_of(const json& keys) {
  std::map<ditto::Part, std::optional<double>> parts;
  if (keys.is_null()) return parts;
  require(keys.is_array() || keys.is_object(), kBad,
          "use_d_keys must be a list of names, or an object of names and weights");
  if (keys.is_array())
    for (const ditto::Part part : parts_of_motion(keys)) parts[part];
  else
    for (const auto& [name, weight] : keys.items())
      parts[part_named(name)] = number_of(weight, "each weight of use_d_keys", -kMostControl, kMostControl);
  return parts;
}

ditto::FrameControl frame_control_of(const json& control) {
  require(control.is_object(), kBad, "the control of a frame must be an object");
  ditto::FrameControl result;
  for (const auto& [name, value] : control.items())
    if (name == "delta_exp")
      result.delta_exp =
          matrix_of(value.is_array() && !value.empty() && value.front().is_array() ? value : json::array({value}), 1,
                    ditto::kExpression, "delta_exp");
    else if (name == "fade_out_keys")
      result.fade_out_keys = parts_of_motion(value);
    else
      require(
          name == "vad_alpha" || name == "fade_alpha" || name == "delta_pitch" || name == "delta_yaw" ||
              name == "delta_roll" || name == "alpha_pitch" || name == "alpha_yaw" || name == "alpha_roll",
          kBad,
          "'{}' is not a control; they are vad_alpha, fade_alpha, fade_out_keys, delta_exp and delta_ and alpha_ of "
          "pitch, yaw and roll",
          printable(name));
  set(result.vad_alpha, control, "vad_alpha");
  set(result.fade_alpha, control, "fade_alpha");
  set(result.delta_pitch, control, "delta_pitch");
  set(result.delta_yaw, control, "delta_yaw");
  set(result.delta_roll, control, "delta_roll");
  set(result.alpha_pitch, control, "alpha_pitch");
  set(result.alpha_yaw, control, "alpha_yaw");
  set(result.alpha_roll, control, "alpha_roll");
  return result;
}

std::map<int64_t, ditto::FrameControl> frame_controls_of(const json& by_frame) {
  require(by_frame.is_object() && static_cast<int64_t>(by_frame.size()) <= kMostRows, kBad,
          "ctrl_info must be an object of frame numbers and their controls");
  std::map<int64_t, ditto::FrameControl> controls;
  for (const auto& [frame, control] : by_frame.items()) {
    require(!frame.empty() && frame.size() < 10 && frame.find_first_not_of("0123456789") == std::string::npos, kBad,
            "ctrl_info: '{}' is not a frame number", printable(frame));
    controls[std::stoll(frame)] = frame_control_of(control);
  }
  return controls;
}

}  // namespace rushes::generation
