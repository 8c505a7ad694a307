// Options of Ditto's motion from golden cases, whose values are read as the product reads them
// (generation/ditto/settings.h).
#pragma once
#include <nlohmann/json.hpp>

#include "rushes/models/ditto/motion_windows.h"
#include "rushes/models/ditto/retargeting.h"

namespace rushes::verify {

ditto::WindowOptions window_options(const nlohmann::json& hyper);
ditto::RetargetOptions retarget_options(const nlohmann::json& setup);
/// A vector [265] whose scale is absolute.
ditto::HeadMotion from_absolute_vector(const at::Tensor& vector);

}  // namespace rushes::verify
