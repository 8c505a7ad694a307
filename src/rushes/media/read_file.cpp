#include "rushes/media/read_file.h"

#include <fstream>

namespace rushes::media {

Bytes read_file(const NamedFile& file, int64_t max_bytes) {
  std::error_code status;
  require(std::filesystem::exists(file.path, status), ErrorCode::not_found, "{}: no such file", file.name);
  require(std::filesystem::is_regular_file(file.path, status), ErrorCode::not_found, "{}: is not a file", file.name);
  const auto size = static_cast<int64_t>(std::filesystem::file_size(file.path, status));
  require(!status && size <= max_bytes, ErrorCode::too_large, "{}: {} bytes; at most {} are allowed", file.name, size,
          max_bytes);
  Bytes bytes(static_cast<std::size_t>(size));
  std::ifstream stream(file.path, std::ios::binary);
  stream.read(reinterpret_cast<char*>(bytes.data()), size);
  require(stream.good(), ErrorCode::unavailable, "{}: cannot be read", file.name);
  return bytes;
}

}  // namespace rushes::media
