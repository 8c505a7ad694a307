// Bytes as text (RFC 4648).
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rushes::server {

/// Types of a data URL, each by its beginning. Browsers do not know the type of every file that they read.
using MediaTypes = std::span<const std::string_view>;
inline constexpr std::array<std::string_view, 2> kPictureTypes{"image/", "application/octet-stream"};
inline constexpr std::array<std::string_view, 3> kSoundTypes{"audio/", "video/", "application/octet-stream"};
inline constexpr std::array<std::string_view, 3> kSourceTypes{"image/", "video/", "application/octet-stream"};

/// With padding.
std::string encode_base64(std::span<const uint8_t> bytes);
/// In the usual or the URL-safe alphabet, with or without padding and line breaks (MIME), after an optional
/// "data:...;base64," head of one of `types`; none: of any. Throws Error(invalid_argument), naming `field`.
std::string decode_base64(std::string_view field, std::string_view text, MediaTypes types = {});
/// Whether the text has no head of a data URL, or one of these types.
bool has_type_of(std::string_view text, MediaTypes types);

}  // namespace rushes::server
