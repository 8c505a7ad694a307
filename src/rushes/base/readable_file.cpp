#include "rushes/base/readable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "rushes/base/error.h"

namespace rushes {

std::shared_ptr<const ReadableFile> ReadableFile::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(ErrorCode::not_found, "cannot open {}: {}", path.string(), std::strerror(errno));
  return std::make_shared<const ReadableFile>(descriptor);
}

ReadableFile::~ReadableFile() { ::close(descriptor_); }

int64_t ReadableFile::size() const {
  struct stat status {};
  return ::fstat(descriptor_, &status) == 0 ? int64_t{status.st_size} : 0;
}

bool ReadableFile::read(int64_t offset, std::span<uint8_t> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::pread(descriptor_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += count;
  }
  return true;
}

}  // namespace rushes
