#include "rushes/text/utf8.h"

#include <unicode/utf8.h>

#include "rushes/base/error.h"

namespace rushes::text {

std::optional<size_t> find_invalid_utf8(std::string_view text) noexcept {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int64_t>(text.size());
  for (int64_t at = 0; at < size;) {
    const int64_t start = at;
    UChar32 code_point = 0;
    U8_NEXT(bytes, at, size, code_point);
    if (code_point < 0) return static_cast<size_t>(start);
  }
  return std::nullopt;
}

void require_utf8(std::string_view text, std::string_view what) {
  const auto invalid = find_invalid_utf8(text);
  require(!invalid, ErrorCode::invalid_argument, "{} is not valid UTF-8: byte 0x{:02x} at offset {}; send UTF-8 text",
          what, invalid ? static_cast<unsigned char>(text[*invalid]) : 0, invalid.value_or(0));
}

std::u32string to_code_points(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int64_t>(text.size());
  for (int64_t at = 0; at < size;) {
    UChar32 code_point = 0;
    U8_NEXT(bytes, at, size, code_point);
    out.push_back(code_point < 0 ? U'\uFFFD' : static_cast<char32_t>(code_point));
  }
  return out;
}

void append_utf8(std::string& text, char32_t code_point) {
  uint8_t bytes[4];
  int32_t count = 0;
  UBool failed = false;
  U8_APPEND(bytes, count, 4, static_cast<UChar32>(code_point), failed);
  if (failed) return append_utf8(text, U'\uFFFD');
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
}

std::string to_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t code_point : text) append_utf8(out, code_point);
  return out;
}

}  // namespace rushes::text
