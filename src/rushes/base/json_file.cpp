#include "rushes/base/json_file.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "rushes/base/error.h"

namespace rushes {

nlohmann::json json_object_in(const std::filesystem::path& file) {
  std::error_code ignored;
  require(std::filesystem::is_regular_file(file, ignored), ErrorCode::not_found, "'{}' is missing", file.string());
  require(std::filesystem::file_size(file, ignored) <= kMostJsonBytes, ErrorCode::too_large,
          "'{}' is larger than {} bytes", file.string(), kMostJsonBytes);
  std::ifstream in(file);
  nlohmann::json value = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  require(value.is_object(), ErrorCode::corrupt_data, "'{}' is not a JSON object", file.string());
  return value;
}

}  // namespace rushes
