#include "rushes/server/http/base64.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/server/http/http.h"
#include "rushes/server/http/text_case.h"

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

namespace {

enum : int8_t { kNone = -1, kBlank = -2 };

/// Of each byte: its six bits by either alphabet of RFC 4648, or what else it is.
constexpr std::array<int8_t, 256> kValues = [] {
  std::array<int8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < 26; ++i) {
    values['A' + i] = static_cast<int8_t>(i);
    values['a' + i] = static_cast<int8_t>(26 + i);
  }
  for (std::size_t i = 0; i < 10; ++i) values['0' + i] = static_cast<int8_t>(52 + i);
  values['+'] = values['-'] = 62;
  values['/'] = values['_'] = 63;
  // No space in the middle: it would be a '+' of a form that nobody escaped.
  for (const char c : {'\t', '\r', '\n'}) values[static_cast<unsigned char>(c)] = kBlank;
  return values;
}();

/// As a message tells it.
std::string type_of(std::string_view head) {
  constexpr std::size_t kShown = 64;
  const std::string_view type = trim(head.substr(std::min(head.size(), head.find(':') + 1)));
  return printable(type.substr(0, std::min(type.find(';'), kShown)));
}

}  // namespace

bool has_type_of(std::string_view text, MediaTypes types) {
  constexpr std::string_view kScheme = "data:";
  if (!starts_with_name(text, kScheme)) return true;
  const std::string_view type = trim(text.substr(kScheme.size(), text.find(',') - kScheme.size()));
  return std::any_of(types.begin(), types.end(), [&](const auto& each) { return starts_with_name(type, each); });
}

std::string decode_base64(std::string_view field, std::string_view text, MediaTypes types) {
  std::optional<std::string> unescaped;
  if (starts_with_name(text, "data:")) {
    const std::size_t comma = text.find(',');
    constexpr std::string_view kEnd = ";base64";
    const std::string_view head = trim(text.substr(0, std::min(comma, text.size())));
    require(comma != std::string_view::npos && head.size() >= kEnd.size() &&
                equal_names(head.substr(head.size() - kEnd.size()), kEnd),
            ErrorCode::invalid_argument, "{}: a data URL must have the form data:image/png;base64,...", field);
    require(types.empty() || has_type_of(text, types), ErrorCode::invalid_argument,
            "{}: the data URL has the type '{}', and must have one of {}", field, type_of(head),
            fmt::join(types, ", "));
    text.remove_prefix(comma + 1);
    if (text.find('%') != std::string_view::npos) {  // it is a URL
      unescaped = percent_decode(text);
      require(unescaped.has_value(), ErrorCode::invalid_argument, "{}: a '%' of the data URL escapes nothing", field);
      text = *unescaped;
    }
  }
  text = trim(text);
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0, padding = 0;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int8_t value = kValues[static_cast<unsigned char>(text[i])];
    if (value == kBlank) continue;
    if (text[i] == '=' && padding < 2 && digits % 4 >= 2) {
      ++padding;
      continue;
    }
    require(value >= 0 && padding == 0, ErrorCode::invalid_argument,
            "{} is not valid base64: unexpected character at position {}", field, i);
    ++digits;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  require(digits % 4 != 1, ErrorCode::invalid_argument,
          "{} is not valid base64: its length is 1 more than a multiple of 4", field);
  return bytes;
}

}  // namespace rushes::server
