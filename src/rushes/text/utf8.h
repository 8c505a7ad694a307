// UTF-8 at the edge: text from outside is checked once, code inside may then trust it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rushes::text {

/// Byte offset of the first byte that is not part of well-formed UTF-8 (no surrogates, no overlong forms, at most
/// U+10FFFF), or nothing.
std::optional<size_t> find_invalid_utf8(std::string_view text) noexcept;

/// Throws Error(invalid_argument) naming `what` and the byte offset unless `text` is well-formed UTF-8.
void require_utf8(std::string_view text, std::string_view what);

/// Code points of well-formed UTF-8, and back. Surrogates and values above U+10FFFF become U+FFFD on the way back.
std::u32string to_code_points(std::string_view text);
std::string to_utf8(std::u32string_view text);
void append_utf8(std::string& text, char32_t code_point);

/// Length in bytes of the character that begins with `lead`, in well-formed UTF-8.
constexpr size_t character_bytes(char lead) noexcept {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace rushes::text
