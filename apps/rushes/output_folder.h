// Whether a folder takes what a command is going to write, told before a model is loaded.
#pragma once
#include <filesystem>
#include <string>

namespace rushes::app {

/// Throws Error(invalid_argument) if no file can be made in `folder`, which must be there. `target` is what was asked
/// for. A file is made and removed: permissions alone do not tell of file systems that only pretend.
void check_writable(const std::filesystem::path& folder, const std::string& target);

/// The same of a folder that may still have to be made, with those above it: nothing is made yet.
void check_can_be_made(const std::filesystem::path& folder, const std::string& target);

}  // namespace rushes::app
