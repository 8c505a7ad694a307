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

}  // namespace rushes::media::annex_b
