// The JSON files that published folders have beside the weights.
#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "rushes/models/qwen/config.h"

namespace rushes::qwen {

/// The two networks from their parts of a config.json (or the "hyper" of a golden case). What is missing is that of
/// the 7B model. `where` stands in messages. Throws Error(corrupt_data) for values of a wrong type or out of range and
/// for widths that do not divide, Error(unsupported) for another activation, for sliding windows and other scalings of
/// the positions.
TextConfig text_config(const nlohmann::json& object, const std::string& where);
VisionConfig vision_config(const nlohmann::json& object, const std::string& where);
/// From a preprocessor_config.json: min_pixels and max_pixels, or size.shortest_edge and size.longest_edge.
PictureConfig picture_config(const nlohmann::json& object, const std::string& where);

/// config.json, generation_config.json and preprocessor_config.json of a folder; the last two may be missing. Reads
/// both layouts of config.json: the language model's fields at the top, or in "text_config". Throws Error(not_found),
/// and as above.
Config read_config(const std::filesystem::path& folder);

/// Throws Error(corrupt_data) unless all of it fits together.
void check(const Config& config, const std::string& where);

}  // namespace rushes::qwen
