// Configurations of Ditto beside its weights: the arrays among a session's options, and published files.
#pragma once
#include <filesystem>

#include "rushes/generation/ditto/settings.h"

namespace rushes::generation {

/// Over `settings`: a .safetensors file with the arrays emo [m, 8], v_min_max_for_clip [2.., 265], delta_eye_arr [b,
/// 63] and ch_info.{x_s_info [328], sc [63], eye_open [n, 2], eye_ball [n, 6]}; a .json file with options by their
/// names; or a published .pkl, which is read without executing anything of it. Throws Error(corrupt_data),
/// Error(unsupported), Error(invalid_argument) naming the file.
void read_configuration(const std::filesystem::path& file, DittoSettings& settings);

/// Options that JSON holds, checked. null stands for "not given". Throws Error(invalid_argument) naming the option.
Options options_from(const nlohmann::json& values, std::span<const OptionField> fields);

}  // namespace rushes::generation
