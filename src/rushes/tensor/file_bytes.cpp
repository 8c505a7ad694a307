#include "rushes/tensor/file_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"

namespace rushes::tensor {

std::shared_ptr<const FileBytes> FileBytes::map(const std::filesystem::path& file) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer; it is refused below.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail(ErrorCode::not_found, "cannot open '{}': {}", file.string(), std::strerror(errno));
  struct stat status {};
  const bool is_file = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  const auto size = is_file ? static_cast<uint64_t>(status.st_size) : 0;
  void* data = MAP_FAILED;
  if (size > 0) data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
  const int map_error = errno;
  ::close(descriptor);
  require(size > 0, ErrorCode::corrupt_data, "'{}' is empty or not a regular file", file.string());
  require(data != MAP_FAILED, ErrorCode::exhausted, "cannot map the {} bytes of '{}': {}", size, file.string(),
          std::strerror(map_error));
  return std::shared_ptr<const FileBytes>(new FileBytes(static_cast<const char*>(data), size, true, file.string()));
}

std::shared_ptr<const FileBytes> FileBytes::copy_of(std::string_view bytes, const std::string& name) {
  char* data = new char[bytes.size()];
  std::memcpy(data, bytes.data(), bytes.size());
  return std::shared_ptr<const FileBytes>(new FileBytes(data, bytes.size(), false, name));
}

FileBytes::~FileBytes() {
  if (mapped_)
    ::munmap(const_cast<char*>(data_), size_);
  else
    delete[] data_;
}

void check_key(std::string_view key, const std::string& file) {
  constexpr std::size_t kMaxKeyBytes = 512;
  bool plain = !key.empty() && key.size() <= kMaxKeyBytes;
  for (std::size_t i = 0; plain && i < key.size();) {
    const std::size_t length = utf8_length(key.substr(i));
    plain = length > 0 && !is_control(static_cast<unsigned char>(key[i]));
    i += length;
  }
  require(
      plain, ErrorCode::corrupt_data,
      "'{}': a tensor has the name '{}' ({} bytes); names are 1 to {} bytes of UTF-8 text without control characters",
      file, printable(key), key.size(), kMaxKeyBytes);
}

}  // namespace rushes::tensor
