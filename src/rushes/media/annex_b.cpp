#include "rushes/media/annex_b.h"

#include <algorithm>
#include <array>

namespace rushes::media::annex_b {

std::vector<std::span<const uint8_t>> units(std::span<const uint8_t> stream) {
  constexpr std::array<uint8_t, 3> kStartCode = {0, 0, 1};
  std::vector<std::span<const uint8_t>> found;
  const auto next_start = [&](auto from) {
    return std::search(from, stream.end(), kStartCode.begin(), kStartCode.end());
  };
  for (auto start = next_start(stream.begin()); start != stream.end();) {
    const auto begin = start + kStartCode.size();
    start = next_start(begin);
    auto end = start;
    // The zero of a four-byte start code and stuffing belong to nobody: a unit ends with its stop bit.
    while (end != begin && *(end - 1) == 0) --end;
    if (begin != end) found.emplace_back(begin, end);
  }
  return found;
}

void append(std::span<const uint8_t> unit, Bytes& bytes) {
  bytes.insert(bytes.end(), {0, 0, 0, 1});
  bytes.insert(bytes.end(), unit.begin(), unit.end());
}

Bytes picture(std::span<const uint8_t> encoded, const Bytes& parameter_sets, bool is_key) {
  Bytes bytes;
  bytes.reserve(parameter_sets.size() + encoded.size() + 16);
  if (is_key) bytes = parameter_sets;
  for (const auto unit : units(encoded))
    if (type(unit) != Type::sps && type(unit) != Type::pps && type(unit) != Type::delimiter) append(unit, bytes);
  return bytes;
}

}  // namespace rushes::media::annex_b
