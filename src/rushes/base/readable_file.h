// A file that is open for reading: what was in it then stays, also when another takes its name.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace rushes {

/// Any thread.
class ReadableFile {
 public:
  /// Throws Error(not_found) naming the path and the reason.
  static std::shared_ptr<const ReadableFile> open(const std::filesystem::path& path);
  explicit ReadableFile(int descriptor) noexcept : descriptor_(descriptor) {}
  ~ReadableFile();
  ReadableFile(const ReadableFile&) = delete;
  ReadableFile& operator=(const ReadableFile&) = delete;

  int64_t size() const;
  /// Fills `bytes` from `offset` on. False: the file ends before, or cannot be read.
  [[nodiscard]] bool read(int64_t offset, std::span<uint8_t> bytes) const;

 private:
  const int descriptor_;
};

}  // namespace rushes
