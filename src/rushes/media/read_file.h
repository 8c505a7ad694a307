// A file for a decoder, whole: how much of it is read has a limit, and what messages call it is the caller's choice.
#pragma once
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <string>

#include "rushes/base/error.h"
#include "rushes/media/access_unit.h"

namespace rushes::media {

/// A file on this machine, and what messages call it: where a server's files lie is not for clients to know.
struct NamedFile {
  template <std::convertible_to<std::filesystem::path> Path>
  NamedFile(const Path& given) : path(given), name(path.string()) {}
  NamedFile(const std::filesystem::path& path, std::string name) : path(path), name(std::move(name)) {}
  std::filesystem::path path;
  std::string name;
};

/// Throws Error: not_found (also for a folder or a device), too_large (more than `max_bytes`, unread), unavailable.
Bytes read_file(const NamedFile& file, int64_t max_bytes);

/// What `decode` makes of it; its errors name the file, too.
template <typename Decode>
auto decoded_file(const NamedFile& file, int64_t max_bytes, Decode decode) {
  const Bytes bytes = read_file(file, max_bytes);
  try {
    return decode(bytes);
  } catch (const Error& error) {
    throw Error(error.code(), file.name + ": " + error.what());
  }
}

}  // namespace rushes::media
