// Bytes as text (RFC 4648).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rushes::server {

/// With padding.
std::string encode_base64(std::span<const uint8_t> bytes);
/// In the usual or the URL-safe alphabet, with or without padding and line breaks (MIME), after an optional
/// "data:...;base64," head. Throws Error(invalid_argument), naming `field`.
std::string decode_base64(std::string_view field, std::string_view text);

}  // namespace rushes::server
