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

namespace {

constexpr std::string_view kFinished = ".finished";  // of what is still being written, behind the recording's name

}  // namespace

Recording::Recording(fs::path path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file_ < 0)
    fail(ErrorCode::unavailable, "cannot create the recording {}: {}", path_.string(), std::strerror(errno));
}

Recording::~Recording() {
  if (file_ >= 0) ::close(file_);
}

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

void Recording::close() {
  if (file_ < 0) return;
  ::fdatasync(file_);
  ::close(file_);
  file_ = -1;
}

media::Bytes Recording::Content::fragment(const media::FragmentPlace& place) const {
  const auto head_bytes = static_cast<std::size_t>(place.head_bytes),
             data_bytes = static_cast<std::size_t>(place.data_bytes);
  media::Bytes bytes(head_bytes + 8 + data_bytes);
  const std::span all(bytes);
  const auto changed = [&] {
    fail(ErrorCode::corrupt_data, "cannot read a fragment of {} bytes of a recording; was the file changed?",
         all.size());
  };
  // Head, the head of the mdat box, data: in a file that still consists of fragments they follow each other.
  if (!heads) {
    if (!file->read(place.head, all)) changed();
    return bytes;
  }
  if (heads->size() < head_bytes || static_cast<std::size_t>(place.head) > heads->size() - head_bytes) changed();
  std::copy_n(heads->begin() + place.head, head_bytes, bytes.begin());
  const auto size = static_cast<uint32_t>(data_bytes + 8);
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[head_bytes + i] = static_cast<uint8_t>(size >> (8 * (3 - i)));
    bytes[head_bytes + 4 + i] = static_cast<uint8_t>("mdat"[i]);
  }
  if (!file->read(place.data, all.subspan(head_bytes + 8))) changed();
  return bytes;
}

Recording::Content Recording::content() const {
  const std::scoped_lock lock(mutex_);
  if (!content_.file) {
    Content opened{.file = ReadableFile::open(path_)};
    if (index_) opened.heads = std::make_shared<const media::Bytes>(media::fragment_headers(*opened.file, *index_));
    content_ = std::move(opened);
  }
  return content_;
}

void Recording::rest() {
  const std::scoped_lock lock(mutex_);
  if (!removed_) content_ = {};
}

fs::path Recording::finished_path() const { return path_.string() + std::string(kFinished); }

media::PlainMp4File Recording::write_finished(std::span<const uint8_t> init_segment,
                                              std::span<const media::FragmentPlace> places) const {
  return media::write_plain_mp4(*content().file, init_segment, places, finished_path());
}

bool Recording::take_finished(const media::PlainMp4File& finished) {
  const std::scoped_lock lock(mutex_);
  std::error_code status;
  if (!removed_) fs::rename(finished_path(), path_, status);
  if (removed_ || status) {
    std::error_code ignored;
    fs::remove(finished_path(), ignored);
  }
  require(!status, ErrorCode::unavailable, "cannot replace {}: {}", path_.string(), status.message());
  if (removed_) return false;
  index_ = finished.index;
  content_ = {};
  return true;
}

void Recording::remove() {
  const std::scoped_lock lock(mutex_);
  removed_ = true;
  std::error_code ignored;
  fs::remove(path_, ignored);
}

bool Recording::removed() const {
  const std::scoped_lock lock(mutex_);
  return removed_;
}

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
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    fail(ErrorCode::invalid_argument, "the data directory {} cannot be written to: {}; choose another with --data-dir",
         directory.string(), std::strerror(errno));
}

std::optional<std::string> recording_name(const fs::path& path) {
  std::string stem = path.stem().string();
  const bool fits = path.extension() == ".mp4" && stem.size() == 32 &&
                    stem.find_first_not_of("0123456789abcdef") == std::string::npos;
  return fits ? std::optional(std::move(stem)) : std::nullopt;
}

std::optional<std::string> unfinished_name(const fs::path& path) {
  return path.extension() == kFinished ? recording_name(path.stem()) : std::nullopt;
}

}  // namespace rushes::delivery
