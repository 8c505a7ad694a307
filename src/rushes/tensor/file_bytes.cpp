#include "rushes/tensor/file_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "rushes/base/error.h"

namespace rushes::tensor {
namespace {

bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

// Length of the well-formed UTF-8 sequence that `text` begins with (Unicode 15, table 3-7), 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef)
    return continues(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && continues(2) ? 3 : 0;
  if (lead >= 0xf0 && lead <= 0xf4)
    return continues(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && continues(2) && continues(3) ? 4 : 0;
  return 0;
}

}  // namespace

std::shared_ptr<const FileBytes> FileBytes::map(const std::filesystem::path& file) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer; it is refused below.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  require(descriptor >= 0, ErrorCode::not_found, "cannot open '{}': {}", file.string(), std::strerror(errno));
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

std::string printable(std::string_view text) {
  constexpr std::size_t kMaxBytes = 120;
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (out.size() >= kMaxBytes) return out + "...";
    const std::size_t length = utf8_length(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0 || is_control(byte)) {
      out += fmt::format("\\x{:02x}", byte);
      ++i;
    } else {
      out += text.substr(i, length);
      i += length;
    }
  }
  return out;
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
