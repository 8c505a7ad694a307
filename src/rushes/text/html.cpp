#include "rushes/text/html.h"

#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_map>

#include "rushes/text/code_pages.h"
#include "rushes/text/html_entities.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

using Table = std::unordered_map<std::string, std::u32string>;

char32_t parse_hexadecimal(std::string_view digits) {
  uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

/// Names with their ';', and without where that is allowed.
const Table& entities() {
  static const Table table = [] {
    Table all;
    std::string_view rest = kHtmlEntities;
    while (!rest.empty()) {
      const size_t end = rest.find(' '), sign = rest.find_first_of("=*");
      const std::string name(rest.substr(0, sign));
      std::u32string value;
      for (std::string_view points = rest.substr(sign + 1, end - sign - 1); !points.empty();) {
        const size_t comma = std::min(points.find(','), points.size());
        value.push_back(parse_hexadecimal(points.substr(0, comma)));
        points.remove_prefix(std::min(comma + 1, points.size()));
      }
      if (rest[sign] == '*') all.emplace(name, value);
      all.emplace(name + ";", std::move(value));
      rest.remove_prefix(end + 1);
    }
    return all;
  }();
  return table;
}

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_hexadecimal(char32_t c) { return is_digit(c) || (c >= U'a' && c <= U'f') || (c >= U'A' && c <= U'F'); }
bool is_letter(char32_t c) { return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z'); }

std::u32string character_of(uint32_t number) {
  if (number == 0 || (number >= 0xD800 && number <= 0xDFFF) || number > 0x10FFFF) return U"\uFFFD";
  if (number >= 0x80 && number <= 0x9F) return {code_pages()[kWindows1252Page].characters[number]};
  const bool control =
      (number < 0x20 && number != '\t' && number != '\n' && number != '\f' && number != '\r') || number == 0x7F;
  const bool no_character = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFEU) == 0xFFFE;
  if (control || no_character) return U"";
  return {static_cast<char32_t>(number)};
}

struct Reference {
  size_t length;  // characters of the text that it covers
  std::u32string value;
};

/// "#233;" or "#xE9", the ';' optional. `text` begins behind the '&'.
std::optional<Reference> numeric_reference(std::u32string_view text) {
  const bool hexadecimal = text.size() > 1 && (text[1] == U'x' || text[1] == U'X');
  size_t at = hexadecimal ? 2 : 1;
  const size_t first = at;
  uint32_t number = 0;
  for (; at < text.size() && (hexadecimal ? is_hexadecimal(text[at]) : is_digit(text[at])); ++at) {
    const char32_t c = text[at];
    const uint32_t digit = is_digit(c) ? c - U'0' : (c | 0x20U) - U'a' + 10;
    number = std::min<uint32_t>(number * (hexadecimal ? 16 : 10) + digit, 0x110000);  // more digits change nothing
  }
  if (at == first) return std::nullopt;
  if (at < text.size() && text[at] == U';') ++at;
  return Reference{at, character_of(number)};
}

/// The longest name that `text` (behind the '&') begins with.
std::optional<Reference> named_reference(std::u32string_view text) {
  constexpr size_t kLongestName = 32;
  size_t length = 0;
  while (length < std::min(kLongestName, text.size()) &&
         std::u32string_view(U"\t\n\f <&#;").find(text[length]) == text.npos)
    ++length;
  if (length == 0) return std::nullopt;
  if (length < text.size() && text[length] == U';') ++length;
  const auto find = [](std::u32string_view name) { return entities().find(to_utf8(name)); };
  for (; length >= 2; --length)
    if (const auto found = find(text.substr(0, length)); found != entities().end())
      return Reference{length, found->second};
  return std::nullopt;
}

/// `text` with what `reference` finds behind each '&' in its place.
template <typename Find>
std::u32string replace_references(std::u32string_view text, Find reference) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const auto found = text[at] == U'&' ? reference(text.substr(at + 1)) : std::nullopt;
    if (found) {
      out += found->value;
      at += found->length + 1;
    } else {
      out += text[at++];
    }
  }
  return out;
}

std::optional<Reference> any_reference(std::u32string_view text) {
  return text.starts_with(U'#') ? numeric_reference(text) : named_reference(text);
}

/// Names with ';' in the standard's spelling, and all-capitals forms of lower-case names where those mean nothing else.
const Table& careful_entities() {
  static const Table table = [] {
    Table all;
    for (const auto& [name, value] : entities()) {
      if (!name.ends_with(';')) continue;
      all.emplace(name, value);
      if (std::ranges::any_of(name, [](char c) { return c >= 'A' && c <= 'Z'; })) continue;
      std::string capitals = name;
      for (char& c : capitals)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      const std::u32string reference = U"&" + to_code_points(capitals);
      if (unescape_html(reference) != reference) continue;
      icu::UnicodeString upper = icu::UnicodeString::fromUTF8(to_utf8(value));
      std::string utf8;
      upper.toUpper(icu::Locale::getRoot()).toUTF8String(utf8);
      all.emplace(capitals, to_code_points(utf8));
    }
    return all;
  }();
  return table;
}

/// '#' or not, then 1 to 24 letters and digits, then ';'.
std::optional<Reference> careful_reference(std::u32string_view text) {
  constexpr size_t kLongestName = 24;
  const size_t start = text.starts_with(U'#') ? 1 : 0;
  size_t end = start;
  while (end < text.size() && end - start <= kLongestName && (is_letter(text[end]) || is_digit(text[end]))) ++end;
  if (end == start || end - start > kLongestName || end == text.size() || text[end] != U';') return std::nullopt;
  if (start == 1) {
    auto number = numeric_reference(text);
    // The whole of it, ';' included, must be the number; and one that yields a ';' is left alone.
    return number && number->length == end + 1 && number->value != U";" ? number : std::nullopt;
  }
  const auto found = careful_entities().find(to_utf8(text.substr(0, end + 1)));
  return found == careful_entities().end() ? std::nullopt : std::optional(Reference{end + 1, found->second});
}

}  // namespace

std::u32string unescape_html(std::u32string_view text) { return replace_references(text, any_reference); }

std::u32string unescape_html_carefully(std::u32string_view text) { return replace_references(text, careful_reference); }

}  // namespace rushes::text
