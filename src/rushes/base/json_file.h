// JSON files from outside.
#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace rushes {

/// Far above every published config.json.
inline constexpr std::uintmax_t kMostJsonBytes = 1'000'000;

/// The object that it holds. Throws Error(not_found, too_large, corrupt_data) naming the file.
nlohmann::json json_object_in(const std::filesystem::path& file);

}  // namespace rushes
