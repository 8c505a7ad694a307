#include "rushes/server/api/imtalker/avatars.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

#include "rushes/server/api/imtalker/form.h"
#include "rushes/server/http/static_files.h"

namespace rushes::server::imtalker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolder = "assets/";

bool is_picture(const fs::path& path) { return mime_type(path).starts_with("image/"); }

/// "assets/source_2.png": 2. Nothing for other names.
std::optional<std::size_t> published_number(std::string_view name) {
  constexpr std::string_view kBegin = "assets/source_", kEnd = ".png";
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return std::nullopt;
  const std::string_view digits = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number == 0) return std::nullopt;
  return number;
}

}  // namespace

std::vector<std::string> avatar_names(const fs::path& examples) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(examples, missing))
    if (is_picture(entry.path())) names.push_back(std::string(kFolder) + entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_avatar(const fs::path& examples, const std::string& asked) {
  const auto names = avatar_names(examples);
  const auto number = asked.empty() ? 1 : published_number(asked);
  const std::string& name = number && *number <= names.size() ? names[*number - 1] : asked;
  const auto path = name.starts_with(kFolder) && !examples.empty()
                        ? static_file(examples, "/" + name.substr(kFolder.size()))
                        : std::nullopt;
  if (!path || !is_picture(*path)) refuse(404, "Avatar not found; GET /api/avatars lists them");
  std::ifstream file(*path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace rushes::server::imtalker
