#include "rushes/text/clean.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/text/html.h"
#include "rushes/text/mojibake.h"
#include "rushes/text/utf8.h"
#include "rushes/text/white_space.h"

namespace rushes::text {
namespace {

enum class Form { nfc, nfkc };

std::u32string normalized(const std::u32string& text, Form form) {
  UErrorCode status = U_ZERO_ERROR;
  const auto* normalizer =
      form == Form::nfc ? icu::Normalizer2::getNFCInstance(status) : icu::Normalizer2::getNFKCInstance(status);
  require(U_SUCCESS(status) != 0, ErrorCode::internal, "ICU has no normalisation data: {}", u_errorName(status));
  const auto out = normalizer->normalize(icu::UnicodeString::fromUTF8(to_utf8(text)), status);
  require(U_SUCCESS(status) != 0, ErrorCode::internal, "ICU cannot normalise: {}", u_errorName(status));
  std::string utf8;
  out.toUTF8String(utf8);
  return to_code_points(utf8);
}

/// Letters that print two letters as one sign, which come from typesetting and old encodings.
std::u32string_view without_ligature(char32_t c) {
  switch (c) {
    case U'Ĳ': return U"IJ";
    case U'ĳ': return U"ij";
    case U'ŉ': return U"ʼn";
    case U'Ǆ': return U"DŽ";
    case U'ǅ': return U"Dž";
    case U'ǆ': return U"dž";
    case U'Ǉ': return U"LJ";
    case U'ǈ': return U"Lj";
    case U'ǉ': return U"lj";
    case U'Ǌ': return U"NJ";
    case U'ǋ': return U"Nj";
    case U'ǌ': return U"nj";
    case U'Ǳ': return U"DZ";
    case U'ǲ': return U"Dz";
    case U'ǳ': return U"dz";
    case U'\uFB00': return U"ff";
    case U'\uFB01': return U"fi";
    case U'\uFB02': return U"fl";
    case U'\uFB03': return U"ffi";
    case U'\uFB04': return U"ffl";
    case U'\uFB05': return U"ſt";
    case U'\uFB06': return U"st";
    default: return {};
  }
}

void append_plain_width(std::u32string& out, char32_t c) {
  if (c == U'\u3000') {
    out += U' ';
  } else if (c >= 0xFF01 && c < 0xFFF0) {
    out += normalized({c}, Form::nfkc);
  } else {
    out += c;
  }
}

std::u32string plain_letters(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    const auto parts = without_ligature(c);
    if (parts.empty())
      append_plain_width(out, c);
    else
      out += parts;
  }
  return out;
}

char32_t straight_quote(char32_t c) {
  if (c == U'\u02BC' || (c >= 0x2018 && c <= 0x201B)) return U'\'';
  return c >= 0x201C && c <= 0x201F ? U'"' : c;
}

/// Unix line breaks and straight quotes.
std::u32string plain_signs(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == U'\r' && i + 1 < text.size() && text[i + 1] == U'\n') continue;
    const bool line_break = c == U'\r' || c == 0x2028 || c == 0x2029 || c == 0x85;
    out += line_break ? U'\n' : straight_quote(c);
  }
  return out;
}

/// Length of an escape sequence of terminals (ESC [ digits and semicolons, a letter), or 0.
size_t terminal_escape(std::u32string_view text) {
  if (!text.starts_with(U"\033[")) return 0;
  size_t i = 2;
  while (i < text.size() && (text[i] == U';' || u_isdigit(static_cast<UChar32>(text[i])) != 0)) ++i;
  const bool letter = i < text.size() && text[i] < 0x80 && u_isalpha(static_cast<UChar32>(text[i])) != 0;
  return letter ? i + 1 : 0;
}

/// Controls without a use in text; those that make white space, join or turn characters stay.
bool is_stray_control(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) ||
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

std::u32string without_controls(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    if (const size_t escape = terminal_escape(text.substr(i)); escape > 0) {
      i += escape;
      continue;
    }
    if (!is_stray_control(text[i])) out += text[i];
    ++i;
  }
  return out;
}

enum class Html { leave, unescape };

std::u32string fix_line(std::u32string text, Html html) {
  constexpr int kMostRounds = 100;  // one round undoes one layer; bounds the time on text made for it
  for (int round = 0; round < kMostRounds; ++round) {
    std::u32string fixed = html == Html::unescape ? unescape_html_carefully(text) : text;
    fixed = fix_c1_controls(fix_encoding(std::move(fixed)));
    fixed = normalized(without_controls(plain_signs(plain_letters(fixed))), Form::nfc);
    if (fixed == text) break;
    text = std::move(fixed);
  }
  return text;
}

std::u32string lower_case(std::u32string_view text) {
  std::string utf8;
  icu::UnicodeString::fromUTF8(to_utf8(text)).toLower(icu::Locale::getRoot()).toUTF8String(utf8);
  return to_code_points(utf8);
}

std::u32string without_punctuation(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {  // what is left of ASCII between space and delete is its punctuation
    if (c == U'_')
      out += U' ';
    else if (c <= U' ' || c >= 0x7F || u_isalnum(static_cast<UChar32>(c)) != 0)
      out += c;
  }
  return out;
}

}  // namespace

std::u32string fix_text(std::u32string_view text) {
  std::u32string out;
  Html html = Html::unescape;
  while (!text.empty()) {
    const size_t line_break = text.find(U'\n');
    const std::u32string_view line = text.substr(0, line_break == text.npos ? text.size() : line_break + 1);
    if (line.find(U'<') != line.npos) html = Html::leave;  // this is HTML itself, from here on
    out += fix_line(std::u32string(line), html);
    text.remove_prefix(line.size());
  }
  return out;
}

std::string clean(std::string_view text, Cleaning mode) {
  require_utf8(text, "the text");
  const std::u32string unescaped = unescape_html(unescape_html(fix_text(to_code_points(text))));
  const std::u32string basic(strip(std::u32string_view(unescaped)));
  switch (mode) {
    case Cleaning::basic: return to_utf8(basic);
    case Cleaning::whitespace: return to_utf8(collapse_white_space(basic));
    case Cleaning::lower: return to_utf8(lower_case(collapse_white_space(basic)));
    case Cleaning::canonicalize: return to_utf8(collapse_white_space(lower_case(without_punctuation(basic))));
  }
  fail(ErrorCode::internal, "no such cleaning");
}

}  // namespace rushes::text
