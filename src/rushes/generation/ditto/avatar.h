// A registered source as a safetensors file: pixels [H, W, 3] uint8, motion [328] (as from_source_vector() takes it),
// feature [1, C, D, h, w], crop_to_frame [3, 3], the last three float32. Its metadata name the model that it is for.
#pragma once
#include <filesystem>
#include <string>

#include "rushes/models/ditto/source.h"

namespace rushes::generation {

void save_avatar(const std::filesystem::path& file, const ditto::SourceFrame& source, const std::string& model);

/// Throws Error(not_found), Error(corrupt_data) for a file that is not one, Error(invalid_argument) for one of another
/// model.
ditto::SourceFrame load_avatar(const std::filesystem::path& file, const std::string& model);

/// `folder`/NAME.safetensors. Throws Error(invalid_argument) unless the name is 1 to 64 letters, digits, '-', '_' and
/// '.', not beginning with '.'; Error(not_found) naming those that there are.
std::filesystem::path avatar_file(const std::filesystem::path& folder, const std::string& name);

}  // namespace rushes::generation
