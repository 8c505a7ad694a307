// What the JSON files of published models say that no shape tells: the config.json that the Wan, diffusers and
// transformers libraries put beside the weights, and those of a diffusers pipeline.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>

#include "rushes/models/wan/config.h"

namespace rushes::wan {

/// An object of JSON; an empty one where there is no such file, or where it is something else.
nlohmann::json read_json_object(const std::filesystem::path& file);

/// The config.json in the folder of a checkpoint, whichever of the files there it describes.
nlohmann::json config_json_beside(const std::filesystem::path& checkpoint);
/// The same if it describes this checkpoint: a library that loads the folder would load this file. Else an empty
/// object.
nlohmann::json config_json_of(const std::filesystem::path& checkpoint);

/// Sets what it knows of a part whose other dimensions are found in shapes; a config.json of other dimensions is that
/// of another model and sets nothing. Throws Error(invalid_argument) naming the file and the field for values out of
/// range.
void apply_config_json(const std::filesystem::path& checkpoint, TransformerConfig& config);
void apply_config_json(const std::filesystem::path& checkpoint, Umt5Config& config);
void apply_config_json(const std::filesystem::path& checkpoint, VaeConfig& config);

}  // namespace rushes::wan
