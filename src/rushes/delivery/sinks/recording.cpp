#include "rushes/delivery/sinks/recording.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "rushes/base/error.h"

namespace rushes::delivery {
namespace fs = std::filesystem;
Recording::Recording(fs::path path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  require(file_ >= 0, ErrorCode::unavailable, "cannot create the recording {}: {}", path_.string(),
          std::strerror(errno));
}

Recording::Recording(fs::path path, int64_t size) : path_(std::move(path)), size_(size) {
  file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  require(file_ >= 0, ErrorCode::unavailable, "cannot open the recording {}: {}", path_.string(), std::strerror(errno));
}

Recording::~Recording() { ::close(file_); }

void Recording::append(std::span<const uint8_t> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written =
        ::pwrite(file_, bytes.data() + done, bytes.size() - done, size_ + static_cast<int64_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int reason = errno;
      [[maybe_unused]] const int cut = ::ftruncate(file_, size_);
      fail(ErrorCode::exhausted, "cannot write to the recording {} after {} bytes: {}", path_.string(), size_,
           std::strerror(reason));
    }
    done += static_cast<std::size_t>(written);
  }
  size_ += static_cast<int64_t>(bytes.size());
}

media::Bytes Recording::read(int64_t offset, int64_t size) const {
  media::Bytes bytes(static_cast<std::size_t>(size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(file_, bytes.data() + done, bytes.size() - done, offset + static_cast<int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    require(count > 0, ErrorCode::corrupt_data,
            "cannot read {1} bytes at offset {2} of the recording {0}; was the file changed?", path_.string(), size,
            offset);
    done += static_cast<std::size_t>(count);
  }
  return bytes;
}

void Recording::sync() const { ::fdatasync(file_); }

fs::path default_data_directory() {
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data) return fs::path(data) / "rushes";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".local/share/rushes";
  return fs::temp_directory_path() / ("rushes-" + std::to_string(::getuid()));
}

void prepare_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  require(fs::is_directory(directory), ErrorCode::invalid_argument, "the data directory {} cannot be created: {}",
          directory.string(), error ? error.message() : "a file with this name exists");
  require(::access(directory.c_str(), W_OK | X_OK) == 0, ErrorCode::invalid_argument,
          "the data directory {} cannot be written to: {}; choose another with --data-dir", directory.string(),
          std::strerror(errno));
}

std::optional<std::string> recording_name(const fs::path& path) {
  std::string stem = path.stem().string();
  const bool fits = path.extension() == ".mp4" && stem.size() == 32 &&
                    stem.find_first_not_of("0123456789abcdef") == std::string::npos;
  return fits ? std::optional(std::move(stem)) : std::nullopt;
}

}  // namespace rushes::delivery
