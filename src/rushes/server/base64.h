// Bytes as text (RFC 4648, with padding).
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace rushes::server {

std::string encode_base64(std::span<const uint8_t> bytes);

}  // namespace rushes::server
