// The example portraits under the names that IMTalker's combined server gives them: "assets/ada.png".
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace rushes::server::imtalker {

/// Of a folder that may be empty or missing; by name.
std::vector<std::string> avatar_names(const std::filesystem::path& examples);

/// The bytes of one of those pictures. Published clients ask for "assets/source_1.png", which is the first of them, as
/// is that of no name. Throws Refused(404).
std::string read_avatar(const std::filesystem::path& examples, const std::string& name);

}  // namespace rushes::server::imtalker
