#include "rushes/delivery/recording.h"

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
namespace {

/// "<32 hexadecimal digits>.mp4"
bool is_recording(const fs::path& path) {
  const std::string stem = path.stem().string();
  return path.extension() == ".mp4" && stem.size() == 32 &&
         stem.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

Recording::Recording(fs::path path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  require(file_ >= 0, ErrorCode::unavailable, "cannot create the recording {}: {}", path_.string(),
          std::strerror(errno));
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
      fail(ErrorCode::exhausted, "the recording {} ends after {} bytes: {}", path_.string(), size_,
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
    require(count > 0, ErrorCode::corrupt_data, "the recording {} has no {} bytes at {}; was it changed?",
            path_.string(), size, offset);
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
          directory.string(), error ? error.message() : "a file of that name is in the way");
  require(::access(directory.c_str(), W_OK | X_OK) == 0, ErrorCode::invalid_argument,
          "the data directory {} cannot be written to: {}; choose another with --data-dir", directory.string(),
          std::strerror(errno));
}

int64_t prune_recordings(const fs::path& directory, int64_t max_bytes, const std::set<std::string>& in_use) {
  struct File {
    fs::file_time_type time;
    fs::path path;
    int64_t bytes;
  };
  std::vector<File> files;
  int64_t total = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (!is_recording(entry.path()) || !entry.is_regular_file(error)) continue;
    const auto bytes = static_cast<int64_t>(entry.file_size(error));
    if (error) continue;
    total += bytes;
    if (!in_use.contains(entry.path().filename().string()))
      files.push_back({entry.last_write_time(error), entry.path(), bytes});
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.time < b.time; });
  for (const File& file : files) {
    if (total <= max_bytes) break;
    if (fs::remove(file.path, error)) total -= file.bytes;
  }
  return total;
}

}  // namespace rushes::delivery
