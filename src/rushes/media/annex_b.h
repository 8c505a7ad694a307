// The units of an H.264 byte stream (ITU-T H.264, annex B).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media::annex_b {

enum class Type : uint8_t { slice = 1, idr_slice = 5, sei = 6, sps = 7, pps = 8, delimiter = 9 };

/// nal_unit_type of a unit without its start code; the unit must not be empty.
inline Type type(std::span<const uint8_t> unit) { return static_cast<Type>(unit[0] & 0x1f); }

/// The NAL units of `stream` without start codes and trailing zeros, in order; none empty. Views into `stream`.
std::vector<std::span<const uint8_t>> units(std::span<const uint8_t> stream);

/// Adds one unit behind a start code of four bytes, so that MP4, which has a length of four bytes there, keeps sizes.
void append(std::span<const uint8_t> unit, Bytes& bytes);

/// A picture as AccessUnit has it: `parameter_sets` before a key frame and nowhere else, no delimiters.
Bytes picture(std::span<const uint8_t> encoded, const Bytes& parameter_sets, bool is_key);

}  // namespace rushes::media::annex_b
