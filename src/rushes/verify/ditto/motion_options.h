// Options of Ditto's motion from golden cases, by the names that the published configuration has.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "rushes/models/ditto/control_tables.h"
#include "rushes/models/ditto/motion_windows.h"
#include "rushes/models/ditto/retargeting.h"

namespace rushes::verify {

/// A label, a list of labels, or a list of lists.
std::vector<std::vector<int64_t>> emotion_labels(const nlohmann::json& emo);
ditto::WindowOptions window_options(const nlohmann::json& hyper);
/// A number of frames, a list of them, 0 (random) or below 0 (never).
ditto::BlinkRule blink_rule(const nlohmann::json& open_n);
ditto::RetargetOptions retarget_options(const nlohmann::json& setup);
ditto::FrameControl frame_control(const nlohmann::json& control);
/// A vector [265] whose scale is absolute.
ditto::HeadMotion from_absolute_vector(const at::Tensor& vector);

}  // namespace rushes::verify
