// Single-byte encodings by which UTF-8 is commonly misread.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace rushes::text {

/// The byte that a sloppy page gives for U+FFFD: a character that was lost when the text was misread.
inline constexpr unsigned char kLost = 0x1A;

struct CodePage {
  std::array<char32_t, 256> characters;
  bool sloppy;  // bytes without a character stand for the character of the same number, and kLost for U+FFFD
};

/// In the order in which misreadings are tried: Latin-1, Windows 1252, 1251, 1250, 1253, 1254, 1257, ISO 8859-2,
/// Mac Roman, DOS 437. The Windows pages are sloppy.
std::span<const CodePage> code_pages() noexcept;
inline constexpr size_t kLatin1 = 0, kWindows1252Page = 1, kWindowsPagesEnd = 7, kMacRomanPage = 8;

/// The bytes that read as `text` in this page, or nothing if it lacks one of the characters.
std::optional<std::string> encode(std::u32string_view text, const CodePage& page);

}  // namespace rushes::text
