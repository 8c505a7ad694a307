// Recordings: one growing fragmented MP4 per session, in a directory whose size is bounded. A file that is cut after
// any fragment plays up to there, so nothing has to be repaired after a crash.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "rushes/media/access_unit.h"

namespace rushes::delivery {

/// A file that only grows. One thread appends; any thread reads what was appended.
class Recording {
 public:
  /// Creates the file, readable by its owner only. Throws Error(unavailable) naming the path if it cannot be created
  /// or exists.
  explicit Recording(std::filesystem::path path);
  /// One that an earlier process made, to read its first `size` bytes; nothing is written. Throws Error(unavailable).
  Recording(std::filesystem::path path, int64_t size);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// All of `bytes` or nothing: what a full disk cut off is taken back. Throws Error(exhausted).
  void append(std::span<const uint8_t> bytes);
  /// Throws Error(corrupt_data) if the file was shortened by somebody else.
  media::Bytes read(int64_t offset, int64_t size) const;
  /// Puts what was appended on the disk.
  void sync() const;

 private:
  std::filesystem::path path_;
  int file_ = -1;
  int64_t size_ = 0;  // the appending thread's
};

/// Where recordings lie if nothing else was said: $XDG_DATA_HOME/rushes, ~/.local/share/rushes, or a folder of the
/// user's own below the system's for temporary files.
std::filesystem::path default_data_directory();

/// Creates the directory if missing. Throws Error(invalid_argument) if it is none or cannot be written to.
void prepare_directory(const std::filesystem::path& directory);

/// Name of a file without its ending, if it is named as recordings are: 32 hexadecimal digits and .mp4.
std::optional<std::string> recording_name(const std::filesystem::path& path);

}  // namespace rushes::delivery
