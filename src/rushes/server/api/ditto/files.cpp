#include "rushes/server/api/ditto/files.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/generation/session.h"

namespace rushes::server::ditto {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kUploads = "uploads/";  // what their paths begin with

/// Its name is one that keep() gives.
bool is_upload(const fs::directory_entry& entry) {
  constexpr std::size_t kIdDigits = 32;
  const std::string name = entry.path().filename().string();
  std::error_code error;
  return entry.symlink_status(error).type() == fs::file_type::regular &&
         name.find_first_not_of("0123456789abcdef") == kIdDigits && name[kIdDigits] == '_';
}

/// The plain file at `path`, if that is below `root` when all links are resolved.
std::optional<fs::path> file_below(const fs::path& root, const fs::path& path) {
  std::error_code error;
  const fs::path real_root = fs::canonical(root, error);
  if (error) return std::nullopt;
  const fs::path real = fs::canonical(real_root / path, error);
  if (error || !fs::is_regular_file(real, error)) return std::nullopt;
  const bool is_below =
      std::mismatch(real_root.begin(), real_root.end(), real.begin(), real.end()).first == real_root.end();
  return is_below ? std::optional(real) : std::nullopt;
}

}  // namespace

std::optional<fs::path> ServedFiles::find(std::string_view path) const {
  if (path.empty() || path.find('\0') != std::string_view::npos) return std::nullopt;
  if (path.starts_with(kUploads))
    if (auto upload = file_below(uploads_, fs::path(path.substr(kUploads.size())))) return upload;
  return file_below(root_, fs::path(path));
}

std::string ServedFiles::keep(std::string_view content, std::string_view kind, std::string_view suffix) {
  std::error_code ignored;
  fs::create_directories(uploads_, ignored);
  make_room(static_cast<int64_t>(content.size()));
  const std::string name = fmt::format("{}_{}{}", generation::SessionId::random().text(), kind, suffix);
  std::ofstream file(uploads_ / name, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  if (!file.good()) {
    fs::remove(uploads_ / name, ignored);
    fail(ErrorCode::unavailable, "the upload could not be stored in {}", uploads_.string());
  }
  return std::string(kUploads) + name;
}

void ServedFiles::make_room(int64_t bytes) const {
  struct Kept {
    fs::file_time_type time;
    int64_t bytes;
    fs::path path;
  };
  std::vector<Kept> kept;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(uploads_, error)) {
    if (!is_upload(entry)) continue;
    std::error_code gone;
    kept.push_back({entry.last_write_time(gone), static_cast<int64_t>(entry.file_size(gone)), entry.path()});
    if (gone) kept.pop_back();
  }
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.time < b.time; });
  for (const Kept& each : kept) bytes += each.bytes;
  for (auto oldest = kept.begin(); bytes > most_bytes_ && oldest != kept.end(); ++oldest) {
    fs::remove(oldest->path, error);
    bytes -= oldest->bytes;
  }
}

std::string suffix_of(std::string_view file_name) {
  const std::size_t dot = file_name.rfind('.');
  std::string suffix(dot == std::string_view::npos ? std::string_view{} : file_name.substr(dot));
  for (char& c : suffix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return suffix;
}

bool is_audio_suffix(std::string_view suffix) {
  return suffix == ".wav" || suffix == ".mp3" || suffix == ".m4a" || suffix == ".flac" || suffix == ".ogg";
}

bool is_image_suffix(std::string_view suffix) {
  return suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg" || suffix == ".webp";
}

}  // namespace rushes::server::ditto
