#include "rushes/text/normalizers.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/regex.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <memory>

#include "rushes/base/error.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

icu::UnicodeString to_utf16(std::string_view text) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

std::string from_utf16(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

bool is_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }

/// Where a regular expression gives up: steps of some thousands, ICU's unit, so some tens of milliseconds.
constexpr int32_t kRegexTimeLimit = 200;

std::string replaced(std::string_view text, std::string_view pattern, std::string_view by) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(pattern, at);
    out += text.substr(at, found - at);
    if (found == std::string_view::npos) return out;
    out += by;
    require_normalized_size(out.size());
    at = found + pattern.size();
  }
}

}  // namespace

void require_normalized_size(size_t bytes) {
  require(bytes <= kMaxNormalizedBytes, ErrorCode::too_large,
          "the tokenizer's rules make this text longer than {} bytes; is the tokenizer file damaged?",
          kMaxNormalizedBytes);
}

Normalizer unicode_form(UnicodeForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const auto* normalizer = form == UnicodeForm::nfc    ? icu::Normalizer2::getNFCInstance(status)
                           : form == UnicodeForm::nfd  ? icu::Normalizer2::getNFDInstance(status)
                           : form == UnicodeForm::nfkc ? icu::Normalizer2::getNFKCInstance(status)
                                                       : icu::Normalizer2::getNFKDInstance(status);
  require(U_SUCCESS(status) != 0, ErrorCode::internal, "ICU has no normalisation data: {}", u_errorName(status));
  return [normalizer](std::string_view text) {
    UErrorCode failed = U_ZERO_ERROR;
    const icu::UnicodeString out = normalizer->normalize(to_utf16(text), failed);
    require(U_SUCCESS(failed) != 0, ErrorCode::internal, "ICU cannot normalise: {}", u_errorName(failed));
    return from_utf16(out);
  };
}

Normalizer lowercase() {
  return [](std::string_view text) {
    std::string out;
    for (const char32_t c : to_code_points(text))
      icu::UnicodeString(static_cast<UChar32>(c)).toLower(icu::Locale::getRoot()).toUTF8String(out);
    return out;
  };
}

Normalizer strip(bool left, bool right) {
  return [left, right](std::string_view text) {
    const std::u32string points = to_code_points(text);
    size_t begin = 0, end = points.size();
    while (left && begin < end && is_space(points[begin])) ++begin;
    while (right && end > begin && is_space(points[end - 1])) --end;
    return to_utf8(std::u32string_view(points).substr(begin, end - begin));
  };
}

Normalizer prepend(std::string prefix) {
  return [prefix = std::move(prefix)](std::string_view text) {
    return text.empty() ? std::string() : prefix + std::string(text);
  };
}

Normalizer replace_all(std::string pattern, std::string by) {
  require(!pattern.empty(), ErrorCode::corrupt_data, "a replacement rule has an empty pattern");
  return
      [pattern = std::move(pattern), by = std::move(by)](std::string_view text) { return replaced(text, pattern, by); };
}

Normalizer replace_matches(const std::string& expression, const std::string& by) {
  UErrorCode status = U_ZERO_ERROR;
  UParseError where{};
  const std::shared_ptr<const icu::RegexPattern> pattern(
      icu::RegexPattern::compile(to_utf16(expression), 0, where, status));
  require(U_SUCCESS(status) != 0, ErrorCode::corrupt_data, "regular expression '{}' has an error at character {}: {}",
          expression, where.offset, u_errorName(status));
  return [pattern, replacement = to_utf16(by)](std::string_view text) {
    UErrorCode failed = U_ZERO_ERROR;
    const icu::UnicodeString input = to_utf16(text);
    const std::unique_ptr<icu::RegexMatcher> matcher(pattern->matcher(input, failed));
    if (U_SUCCESS(failed) != 0) matcher->setTimeLimit(kRegexTimeLimit, failed);
    icu::UnicodeString out;
    int32_t done = 0;
    while (U_SUCCESS(failed) != 0 && matcher->find(failed) != 0) {
      out.append(input, done, matcher->start(failed) - done).append(replacement);
      done = matcher->end(failed);
      require_normalized_size(static_cast<size_t>(out.length()));
    }
    require(U_SUCCESS(failed) != 0, ErrorCode::exhausted,
            "the tokenizer's regular expression takes too long on this text: {}", u_errorName(failed));
    return from_utf16(out.append(input, done, input.length() - done));
  };
}

Normalizer nmt() {
  return [](std::string_view text) {
    std::u32string out;
    for (const char32_t c : to_code_points(text)) {
      const bool dropped =
          (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
      const bool space = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      if (!dropped) out.push_back(space ? U' ' : c);
    }
    return to_utf8(out);
  };
}

PreTokenizer metaspace(std::string marker, PrependScheme scheme, bool split) {
  return [marker = std::move(marker), scheme, split](const Word& word) {
    std::string text = replaced(word.text, " ", marker);
    const bool wanted = scheme == PrependScheme::always || (scheme == PrependScheme::first && word.begins_text);
    if (wanted && !text.empty() && !text.starts_with(marker)) text.insert(0, marker);
    std::vector<Word> words;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = split ? std::min(text.find(marker, begin + 1), text.size()) : text.size();
      words.push_back({text.substr(begin, end - begin), word.begins_text && begin == 0});
      begin = end;
    }
    return words;
  };
}

PreTokenizer whitespace_split() {
  return [](const Word& word) {
    std::vector<Word> words;
    bool open = false, at_start = true;
    for (const char32_t c : to_code_points(word.text)) {
      if (is_space(c)) {
        open = false;
      } else {
        if (!open) words.push_back({"", word.begins_text && at_start});
        append_utf8(words.back().text, c);
        open = true;
      }
      at_start = false;
    }
    return words;
  };
}

}  // namespace rushes::text
