#include "rushes/server/http/base64.h"

#include <array>

#include "rushes/base/error.h"

namespace rushes::server {

std::string encode_base64(std::span<const uint8_t> bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text((bytes.size() + 2) / 3 * 4, '=');
  char* out = text.data();
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t bits =
        static_cast<uint32_t>(bytes[i]) << 16 | static_cast<uint32_t>(bytes[i + 1]) << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) *out++ = kAlphabet[bits >> shift & 63];
  }
  if (i == bytes.size()) return text;
  const bool two = bytes.size() - i == 2;
  const uint32_t bits = static_cast<uint32_t>(bytes[i]) << 16 | (two ? static_cast<uint32_t>(bytes[i + 1]) << 8 : 0u);
  *out++ = kAlphabet[bits >> 18];
  *out++ = kAlphabet[bits >> 12 & 63];
  if (two) *out = kAlphabet[bits >> 6 & 63];
  return text;
}

std::string decode_base64(std::string_view field, std::string_view text) {
  if (text.starts_with("data:")) {
    const std::size_t comma = text.find(',');
    require(comma != std::string_view::npos && text.substr(0, comma).ends_with(";base64"), ErrorCode::invalid_argument,
            "{}: a data URL must have the form data:image/png;base64,...", field);
    text.remove_prefix(comma + 1);
  }
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const auto kValues = [] {
    std::array<int8_t, 256> values;
    values.fill(-1);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i)
      values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
    return values;
  }();
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  require(text.size() % 4 != 1, ErrorCode::invalid_argument,
          "{} is not valid base64: its length is 1 more than a multiple of 4", field);
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int8_t value = kValues[static_cast<unsigned char>(text[i])];
    require(value >= 0, ErrorCode::invalid_argument, "{} is not valid base64: unexpected character at position {}",
            field, i);
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return bytes;
}

}  // namespace rushes::server
