#include "rushes/tensor/zip_archive.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"

namespace rushes::tensor {
namespace {

// Section numbers are those of PKWARE's APPNOTE.TXT 6.3.10.
constexpr uint32_t kLocalHeader = 0x04034b50;    // 4.3.7
constexpr uint32_t kCentralHeader = 0x02014b50;  // 4.3.12
constexpr uint32_t kEnd = 0x06054b50;            // 4.3.16
constexpr uint32_t kEnd64 = 0x06064b50;          // 4.3.14
constexpr uint32_t kEnd64Locator = 0x07064b50;   // 4.3.15
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kMaxEntries = 400'000;

template <typename T>
T read(std::string_view bytes, uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

bool fits(uint64_t begin, uint64_t length, uint64_t size) { return begin <= size && length <= size - begin; }

struct Directory {
  uint64_t begin = 0, bytes = 0, entries = 0;
};

Directory find_directory(std::string_view view, const std::string& name) {
  std::optional<uint64_t> found;
  const uint64_t lowest = view.size() > 65'535 + kEndBytes ? view.size() - 65'535 - kEndBytes : 0;
  for (uint64_t at = view.size() < kEndBytes ? 0 : view.size() - kEndBytes + 1; at-- > lowest && !found;)
    if (read<uint32_t>(view, at) == kEnd && at + kEndBytes + read<uint16_t>(view, at + 20) == view.size()) found = at;
  require(found.has_value(), ErrorCode::corrupt_data,
          "'{}' begins like a zip file but has no directory at its end; is the download incomplete?", name);
  const uint64_t end = *found;
  Directory directory{read<uint32_t>(view, end + 16), read<uint32_t>(view, end + 12), read<uint16_t>(view, end + 10)};
  const bool one_disk = read<uint16_t>(view, end + 4) % 0xffff == 0 && read<uint16_t>(view, end + 6) % 0xffff == 0;
  require(one_disk, ErrorCode::unsupported, "'{}' is one part of a zip file in several parts", name);
  uint64_t limit = end;
  if (end >= kLocatorBytes && read<uint32_t>(view, end - kLocatorBytes) == kEnd64Locator) {
    limit = read<uint64_t>(view, end - kLocatorBytes + 8);
    require(fits(limit, kEnd64Bytes, end - kLocatorBytes) && read<uint32_t>(view, limit) == kEnd64,
            ErrorCode::corrupt_data, "'{}': the zip64 directory is not at the offset that the file gives", name);
    directory = {read<uint64_t>(view, limit + 48), read<uint64_t>(view, limit + 40), read<uint64_t>(view, limit + 32)};
  }
  require(fits(directory.begin, directory.bytes, limit), ErrorCode::corrupt_data,
          "'{}': the zip directory ({} bytes at {}) is outside the file", name, directory.bytes, directory.begin);
  require(directory.entries <= kMaxEntries, ErrorCode::too_large, "'{}' has {} zip entries; at most {} are allowed",
          name, directory.entries, kMaxEntries);
  return directory;
}

struct CentralEntry {
  std::string_view name;
  uint64_t bytes, stored_bytes, header;
  uint16_t flags, method;
};

// The zip64 extra field (4.5.3) holds, in this order, only those of the three values that are all ones in the header.
void read_zip64(std::string_view extra, CentralEntry& entry, const std::string& file) {
  for (uint64_t at = 0; at + 4 <= extra.size();) {
    const auto id = read<uint16_t>(extra, at);
    const uint64_t length = read<uint16_t>(extra, at + 2);
    at += 4;
    if (length > extra.size() - at) break;
    if (id == 1) {
      std::string_view values = extra.substr(at, length);
      for (uint64_t* value : {&entry.bytes, &entry.stored_bytes, &entry.header}) {
        if (*value != 0xffff'ffff) continue;
        require(values.size() >= 8, ErrorCode::corrupt_data, "'{}', zip entry '{}': its zip64 sizes are missing", file,
                printable(entry.name));
        *value = read<uint64_t>(values, 0);
        values.remove_prefix(8);
      }
      return;
    }
    at += length;
  }
}

std::vector<CentralEntry> read_central(std::string_view central, uint64_t count, const std::string& file) {
  std::vector<CentralEntry> entries;
  for (uint64_t i = 0; i < count; ++i) {
    require(central.size() >= kCentralBytes && read<uint32_t>(central, 0) == kCentralHeader, ErrorCode::corrupt_data,
            "'{}': the zip directory ends after {} of {} entries", file, i, count);
    const uint64_t name_bytes = read<uint16_t>(central, 28), extra_bytes = read<uint16_t>(central, 30);
    const uint64_t total = kCentralBytes + name_bytes + extra_bytes + read<uint16_t>(central, 32);
    require(total <= central.size(), ErrorCode::corrupt_data, "'{}': the zip directory is cut short at entry {}", file,
            i);
    CentralEntry entry{central.substr(kCentralBytes, name_bytes),
                       read<uint32_t>(central, 24),
                       read<uint32_t>(central, 20),
                       read<uint32_t>(central, 42),
                       read<uint16_t>(central, 8),
                       read<uint16_t>(central, 10)};
    read_zip64(central.substr(kCentralBytes + name_bytes, extra_bytes), entry, file);
    entries.push_back(entry);
    central.remove_prefix(total);
  }
  return entries;
}

}  // namespace

std::map<std::string_view, ZipEntry> read_zip_directory(const FileBytes& file) {
  const std::string_view view = file.view();
  const Directory directory = find_directory(view, file.name());
  auto central = read_central(view.substr(directory.begin, directory.bytes), directory.entries, file.name());
  std::sort(central.begin(), central.end(), [](const auto& a, const auto& b) { return a.header < b.header; });

  std::map<std::string_view, ZipEntry> entries;
  uint64_t used = 0;
  for (const CentralEntry& entry : central) {
    const std::string where = fmt::format("'{}', zip entry '{}'", file.name(), printable(entry.name));
    // What a directory says decides; of the local header only the lengths are used, its sizes may follow the data.
    require(fits(entry.header, kLocalBytes, directory.begin) && read<uint32_t>(view, entry.header) == kLocalHeader,
            ErrorCode::corrupt_data, "{} is not at the offset that the zip directory gives", where);
    require(entry.header >= used, ErrorCode::corrupt_data, "{} overlaps another entry", where);
    const uint64_t name_bytes = read<uint16_t>(view, entry.header + 26),
                   extra_bytes = read<uint16_t>(view, entry.header + 28);
    const uint64_t offset = entry.header + kLocalBytes + name_bytes + extra_bytes;
    require(fits(offset, entry.stored_bytes, directory.begin), ErrorCode::corrupt_data,
            "{} has {} bytes, more than the file has", where, entry.stored_bytes);
    require(view.substr(entry.header + kLocalBytes, name_bytes) == entry.name, ErrorCode::corrupt_data,
            "{} has a different name in its own header", where);
    const bool is_stored = entry.method == 0 && (entry.flags & 1) == 0;
    require(!is_stored || entry.bytes == entry.stored_bytes, ErrorCode::corrupt_data,
            "{} is stored, but its sizes {} and {} differ", where, entry.bytes, entry.stored_bytes);
    require(entries.emplace(entry.name, ZipEntry{offset, entry.stored_bytes, is_stored}).second,
            ErrorCode::corrupt_data, "{} exists twice", where);
    used = offset + entry.stored_bytes;
  }
  return entries;
}

}  // namespace rushes::tensor
