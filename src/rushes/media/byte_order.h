// Numbers as files write them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace rushes::media {

/// Of `count` bytes from `at` on, which must be there; at most eight. The most significant one comes first.
template <typename Int = int64_t>
constexpr Int big_endian(std::span<const uint8_t> bytes, std::size_t at, std::size_t count) {
  uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes[at + i];
  return static_cast<Int>(value);
}

/// The same, with the least significant one first.
template <typename Int = int64_t>
constexpr Int little_endian(std::span<const uint8_t> bytes, std::size_t at, std::size_t count) {
  uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | bytes[at + i];
  return static_cast<Int>(value);
}

}  // namespace rushes::media
