#include "rushes/text/mojibake.h"

#include <fmt/format.h>
#include <unicode/regex.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/text/code_pages.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

// Characters that misread UTF-8 is made of, by what they are used for elsewhere. Contents of character classes.
constexpr const char* kCommon = R"(\u00A0\u00AD·´–—―…’)";
constexpr const char* kC1 = R"(\u0080-\u009F)";
constexpr const char* kBad = R"(¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\uFFFD)";
constexpr const char* kLaw = "§¶";
constexpr const char* kCurrency = "¢£¥₧€";
constexpr const char* kOpening = R"(¡©«¿΄΅‘‚“„•‹\uF8FF)";
constexpr const char* kClosing = "®»˝”›™";
constexpr const char* kNumeric = "±²³µ¹¼½¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥";
constexpr const char* kKaomoji = "°Ò-ÖÙ-Üò-öø-üŌŐŪŲ";  // letters that faces are drawn with
constexpr const char* kUpper = "À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ";
constexpr const char* kLower = "ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ";
constexpr const char* kUpperCommon = "ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я";
constexpr const char* kLowerCommon = "ά-ωа-џ";
constexpr const char* kBox = "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓";
constexpr const char* kWord = R"(\p{L}\p{N}_)";
constexpr const char* kSpace = R"(\p{White_Space}\u001C-\u001F)";

template <typename... Parts>
std::string any(Parts... parts) {
  return (std::string("[") + ... + parts) + "]";
}

/// Neighbours that people do not write. One alternative each.
std::vector<std::string> unlikely_sequences() {
  const std::string sign = any(kLower, kUpper, kBox, kOpening, kClosing, kCurrency, kNumeric, kLaw);
  const std::string arabic = any("ØÙ") + any(kCommon, kCurrency, kBad, kNumeric, kOpening, "ŸŠ®°µ»");
  const std::string cyrillic = any("ВГРС"), greek = any("ΒΓΞΟ");
  return {
      any(kC1),
      any(kBad) + any(kBad),
      sign + any(kBad),
      "[a-zA-Z]" + any(kLowerCommon, kUpperCommon) + any(kBad),
      any(kBad) + sign,
      any(kLower, kLowerCommon, kBox, kClosing, kCurrency, kNumeric) + any(kUpper),
      any(kBox, kClosing, kCurrency, kNumeric) + any(kLower),
      any(kLower, kBox, kClosing) + any(kCurrency),
      any(kSpace) + any(kUpper) + any(kCurrency),
      any(kUpper, kBox) + any(kNumeric, kLaw),
      any(kLower, kUpper, kBox, kCurrency, kClosing) + any(kOpening) + any(kNumeric),
      any(kLower, kUpper, kCurrency, kNumeric, kBox, kLaw) + any(kClosing) + any(kOpening),
      any(kCurrency, kNumeric, kBox) + any(kOpening),
      "[a-z]" + any(kUpper) + any(kOpening, kCurrency),
      any(kBox) + any(kKaomoji),
      any(kLower, kUpper, kCurrency, kNumeric, kOpening, kClosing, kLaw) + any(kBox),
      any(kBox) + any(kClosing),
      any(kLower, kUpper) + any(kOpening, kClosing) + any(kWord),
      "[Œœ][^A-Za-z]",
      any(kUpper) + "°",
      // Misread as Windows 1252.
      "[ÂÃÎÐ]" + any(R"(€œŠš¢£Ÿž\u00A0\u00AD®©°·»–—´)", kOpening, kClosing),
      "×[²³]",
      arabic + arabic,
      "à[²µ¹¼½¾]",
      R"(Ã[\u00A0¡])",
      "[a-z]" + any(kSpace) + "?[ÃÂ] ",
      "^[ÃÂ] ",
      any("a-z.,?!", kClosing) + "Â" + any(" ", kOpening, kClosing),
      // As Mac Roman.
      "√[±∂†≠®™´≤≥¥µø]",
      "≈[°¢]",
      "‚Ä[ìîïòôúùû†°¢π]",
      "‚[âó][àä°ê]",
      // As Windows 1251, 1253, 1257.
      "вЂ",
      cyrillic + any(kC1, kBad, kOpening, kClosing, kCurrency, "°µ") + cyrillic,
      R"(ГўВЂВ[^\n][A-Za-z ])",
      R"(β€[™\u00A0Ά\u00AD®°])",
      greek + any(kC1, kBad, kOpening, kClosing, kCurrency, "°") + greek,
      "ā€",
  };
}

icu::UnicodeString to_utf16(std::u32string_view text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                       static_cast<int32_t>(text.size()));
}

const icu::RegexPattern& unlikely() {
  static const std::unique_ptr<const icu::RegexPattern> pattern = [] {
    UErrorCode status = U_ZERO_ERROR;
    const std::string all = fmt::format("{}", fmt::join(unlikely_sequences(), "|"));
    std::unique_ptr<const icu::RegexPattern> compiled(
        icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(all), 0, status));
    require(U_SUCCESS(status) != 0, ErrorCode::internal, "ICU refuses the mojibake expression: {}",
            u_errorName(status));
    return compiled;
  }();
  return *pattern;
}

// Byte sequences that were UTF-8 before something went wrong. A letter stands for one byte:
//   c continuation 80-BF   k the same without 85 and A0   h A0-AF   l B0-BF   E ED   _ space
//   s the lost byte 1A     ? itself      x s or ?         y s or c     z s, ? or c
struct DamagedSequence {
  uint8_t lead_first, lead_last;
  std::string_view rest;
};

/// A byte A0 was taken for a space and became 20.
constexpr DamagedSequence kSpacedOut[] = {
    {0xC2, 0xC3, "_"},  {0xC5, 0xC5, "_"},  {0xCE, 0xCE, "_"},   {0xD0, 0xD0, "_"},   {0xD9, 0xD9, "_"},
    {0xE2, 0xE3, "_k"}, {0xE0, 0xE3, "k_"}, {0xF0, 0xF0, "_cc"}, {0xF0, 0xF0, "c_c"}, {0xF0, 0xF0, "cc_"}};
/// Continuation bytes were lost.
constexpr DamagedSequence kLossy[] = {
    {0xC2, 0xDF, "s"},  {0xC2, 0xC3, "?"},   {0xED, 0xED, "hxElz"}, {0xED, 0xED, "hzElx"}, {0xE0, 0xEF, "xy"},
    {0xE0, 0xEF, "yx"}, {0xF0, 0xF4, "xyy"}, {0xF0, 0xF4, "yxy"},   {0xF0, 0xF4, "yyx"},   {kLost, kLost, ""}};

bool fits(uint8_t byte, char letter) {
  const bool continuation = byte >= 0x80 && byte <= 0xBF, lost = byte == kLost, question = byte == '?';
  switch (letter) {
    case 'c': return continuation;
    case 'k': return continuation && byte != 0x85 && byte != 0xA0;
    case 'h': return byte >= 0xA0 && byte <= 0xAF;
    case 'l': return byte >= 0xB0 && byte <= 0xBF;
    case 'E': return byte == 0xED;
    case '_': return byte == ' ';
    case 's': return lost;
    case '?': return question;
    case 'x': return lost || question;
    case 'y': return lost || continuation;
    case 'z': return lost || question || continuation;
    default: return false;
  }
}

/// Length of the first of `sequences` that stands at the beginning of `bytes`, or 0.
size_t match(std::string_view bytes, std::span<const DamagedSequence> sequences) {
  for (const auto& [first, last, rest] : sequences) {
    const auto lead = static_cast<uint8_t>(bytes[0]);
    if (lead < first || lead > last || bytes.size() <= rest.size()) continue;
    if (std::equal(rest.begin(), rest.end(), bytes.begin() + 1,
                   [](char letter, char byte) { return fits(static_cast<uint8_t>(byte), letter); }))
      return rest.size() + 1;
  }
  return 0;
}

/// `bytes` with every damaged sequence put through `repair`.
template <typename Repair>
std::string repair_sequences(std::string_view bytes, std::span<const DamagedSequence> sequences, Repair repair) {
  std::string out;
  while (!bytes.empty()) {
    const size_t length = match(bytes, sequences);
    if (length > 0) {
      out += repair(std::string(bytes.substr(0, length)));
    } else {
      out += bytes[0];
    }
    bytes.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

/// "Ã " as a word of its own is "à " and keeps its space, but not in the Portuguese àquele, àquela, àquilo, às.
std::string restore_a_grave(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    out += bytes[i];
    if (static_cast<uint8_t>(bytes[i]) != 0xC3 || i + 1 >= bytes.size() || bytes[i + 1] != ' ') continue;
    const std::string_view rest = bytes.substr(i + 2);
    const bool word = std::ranges::none_of(std::array<std::string_view, 5>{" ", "quele", "quela", "quilo", "s "},
                                           [&](std::string_view start) { return rest.starts_with(start); });
    if (word) out += '\xA0';
  }
  return out;
}

std::string restore_spaces(std::string bytes) {
  bool any_damage = false;
  for (size_t i = 0; i < bytes.size() && !any_damage; ++i)
    any_damage = match(std::string_view(bytes).substr(i), kSpacedOut) > 0;
  if (!any_damage) return bytes;
  return repair_sequences(restore_a_grave(bytes), kSpacedOut, [](std::string sequence) {
    std::ranges::replace(sequence, ' ', '\xA0');
    return sequence;
  });
}

/// UTF-8 that may hold surrogate pairs of 3 bytes each (CESU-8) and C0 80 for U+0000 (Java). Nothing if it is neither.
std::optional<std::u32string> decode_utf8_variants(std::string_view bytes) {
  std::string plain;
  for (size_t i = 0; i < bytes.size();) {
    const std::string_view rest = bytes.substr(i);
    const auto byte = [&](size_t k) { return static_cast<uint32_t>(static_cast<uint8_t>(rest[k])); };
    static constexpr DamagedSequence kPair[] = {{0xED, 0xED, "hcElc"}};
    if (rest.starts_with("\xC0\x80")) {
      plain += '\0';
      i += 2;
    } else if (match(rest, kPair) > 0) {
      append_utf8(plain, 0x10000 + ((byte(1) & 0x0FU) << 16) + ((byte(2) & 0x3FU) << 10) + ((byte(4) & 0x0FU) << 6) +
                             (byte(5) & 0x3FU));
      i += 6;
    } else {
      plain += rest[0];
      ++i;
    }
  }
  if (find_invalid_utf8(plain)) return std::nullopt;
  return to_code_points(plain);
}

/// What `bytes`, read in this page by mistake, should have been.
std::optional<std::u32string> decode(std::string bytes, size_t page) {
  if (page != kMacRomanPage) bytes = restore_spaces(std::move(bytes));  // there it would hit the en dash
  if (code_pages()[page].sloppy)
    bytes = repair_sequences(bytes, kLossy, [](const std::string&) { return std::string("\uFFFD"); });
  return decode_utf8_variants(bytes);
}

/// Characters that first and following bytes of UTF-8 look like in Latin-1 and the Windows pages.
struct Utf8Clues {
  std::unordered_set<char32_t> first_of_2, first_of_3, first_of_4, following, following_strict;
  Utf8Clues() {
    for (size_t page = 0; page < kWindowsPagesEnd; ++page) {
      const auto& characters = code_pages()[page].characters;
      const auto add = [&](std::unordered_set<char32_t>& to, size_t first, size_t last) {
        to.insert(characters.begin() + static_cast<std::ptrdiff_t>(first),
                  characters.begin() + static_cast<std::ptrdiff_t>(last) + 1);
      };
      add(first_of_2, 0xC2, 0xDF);
      add(first_of_3, 0xE0, 0xEF);
      add(first_of_4, 0xF0, 0xF0);  // emoji; the rest of F1 to F4 is too rare to guess
      add(first_of_4, 0xF3, 0xF3);
      add(following, 0x80, 0xBF);
    }
    following_strict = following;
    following.insert(U' ');  // a no-break space that became plain
    for (const char32_t c : U"–—―‘’‚“”„•…") following_strict.erase(c);
  }
  /// Length of what looks like misread UTF-8 at the beginning of `text`, or 0.
  size_t match(std::u32string_view text) const {
    size_t total = 0;
    while (total < text.size()) {
      const char32_t lead = text[total];
      const size_t length = first_of_2.contains(lead)   ? 2
                            : first_of_3.contains(lead) ? 3
                            : first_of_4.contains(lead) ? 4
                                                        : 0;
      if (length == 0 || total + length > text.size()) break;
      const auto rest = text.substr(total + 1, length - 1);
      if (!std::ranges::all_of(rest, [&](char32_t c) { return following.contains(c); })) break;
      total += length;
    }
    return total;
  }
};

/// Repairs pieces that look like misread UTF-8 in a text that is otherwise right.
std::u32string fix_pieces(std::u32string_view text) {
  static const Utf8Clues clues;
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    const bool inside = i > 0 && clues.following_strict.contains(text[i - 1]);
    const size_t length = inside ? 0 : clues.match(text.substr(i));
    const auto piece = text.substr(i, std::max<size_t>(length, 1));
    // Shorter than the whole, so that this ends.
    out += length > 0 && length < text.size() && looks_like_mojibake(piece) ? fix_encoding(std::u32string(piece))
                                                                            : std::u32string(piece);
    i += piece.size();
  }
  return out;
}

bool is_c1(char32_t c) { return c >= 0x80 && c <= 0x9F; }

std::u32string fix_encoding_once(const std::u32string& text) {
  const bool ascii = std::ranges::all_of(text, [](char32_t c) { return c < 0x80; });
  if (ascii || !looks_like_mojibake(text)) return text;
  for (size_t page = 0; page < code_pages().size(); ++page) {
    auto bytes = encode(text, code_pages()[page]);
    if (!bytes) continue;
    if (auto fixed = decode(std::move(*bytes), page)) return *fixed;
  }
  if (auto fixed = fix_pieces(text); fixed != text) return fixed;
  return fix_c1_controls(text);
}

}  // namespace

bool looks_like_mojibake(std::u32string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString input = to_utf16(text);
  const std::unique_ptr<icu::RegexMatcher> matcher(unlikely().matcher(input, status));
  require(U_SUCCESS(status) != 0, ErrorCode::internal, "ICU cannot match: {}", u_errorName(status));
  return matcher->find() != 0;
}

std::u32string fix_encoding(std::u32string text) {
  constexpr int kMostLayers = 64;  // nobody misreads a text that often; bounds the time on text made for it
  for (int layer = 0; layer < kMostLayers; ++layer) {
    std::u32string fixed = fix_encoding_once(text);
    if (fixed == text) break;
    text = std::move(fixed);
  }
  return text;
}

std::u32string fix_c1_controls(std::u32string text) {
  for (char32_t& c : text)
    if (is_c1(c)) c = code_pages()[kWindows1252Page].characters[c];
  return text;
}

}  // namespace rushes::text
