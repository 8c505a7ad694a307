#include "rushes/tensor/legacy_torch.h"

#include <cstring>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"

namespace rushes::tensor {
namespace {

// The end of the first pickle: an integer of ten bytes, 0x1950a86a20f9469cfc6c, and STOP.
constexpr std::string_view kMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 13);
constexpr std::size_t kMostBefore = 11;  // the protocol's number; with protocol 4 a frame's length, too
constexpr int64_t kVersion = 1001;

/// 0: there is none.
std::size_t magic_end(std::string_view bytes) noexcept {
  const auto at = bytes.substr(0, kMostBefore + kMagic.size()).find(kMagic);
  return bytes.starts_with('\x80') && at != std::string_view::npos ? at + kMagic.size() : 0;
}

/// Takes a storage off the front of `rest`: how many elements it has, then these, always little-endian.
std::string_view take_storage(std::string_view& rest, uint64_t element_bytes, std::string_view key,
                              const std::string& file) {
  uint64_t elements = 0, bytes = 0;
  const bool has_count = rest.size() >= sizeof elements;
  if (has_count) std::memcpy(&elements, rest.data(), sizeof elements);
  require(
      has_count && !__builtin_mul_overflow(elements, element_bytes, &bytes) && bytes <= rest.size() - sizeof elements,
      ErrorCode::corrupt_data, "'{}' ends before or within the data of storage '{}'; is the file cut off?", file,
      printable(key));
  const std::string_view data = rest.substr(sizeof elements, bytes);
  rest.remove_prefix(sizeof elements + bytes);
  return data;
}

}  // namespace

bool is_legacy_torch(std::string_view bytes) noexcept { return magic_end(bytes) > 0; }

LegacyTorch read_legacy_torch(const FileBytes& file) {
  std::string_view rest = file.view().substr(magic_end(file.view()));
  const PickleTree version = take_pickle(rest, file.name());
  const PickleValue& number = version.values[version.root];
  require(number.kind == PickleKind::integer && number.integer == kVersion, ErrorCode::unsupported,
          "'{}' has another version of torch's old format than {}; load it with torch and save its state_dict",
          file.name(), kVersion);
  take_pickle(rest, file.name());  // about the machine that wrote it: the data does not depend on it
  LegacyTorch read{.tree = take_pickle(rest, file.name()), .data = {}};
  const PickleTree order = take_pickle(rest, file.name());
  const PickleValue& keys = order.values[order.root];
  require(keys.kind == PickleKind::list, ErrorCode::corrupt_data, "'{}' has no list of its storages", file.name());

  std::map<std::string_view, uint64_t> element_bytes;
  for (const PickleStorage& storage : read.tree.storages)
    element_bytes.try_emplace(storage.key, storage.dtype ? c10::elementSize(*storage.dtype) : 1);
  for (const uint32_t item : keys.items) {
    const PickleValue& key = order.values[item];
    const auto known = key.kind == PickleKind::text ? element_bytes.find(key.text) : element_bytes.end();
    require(known != element_bytes.end(), ErrorCode::corrupt_data,
            "'{}' has data for storage '{}', which no tensor has", file.name(), printable(key.text));
    const std::string_view data = take_storage(rest, known->second, key.text, file.name());
    require(read.data.emplace(key.text, data).second, ErrorCode::corrupt_data, "'{}' has data for storage '{}' twice",
            file.name(), printable(key.text));
  }
  return read;
}

}  // namespace rushes::tensor
