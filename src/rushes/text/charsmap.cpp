#include "rushes/text/charsmap.h"

#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <memory>

#include "rushes/base/error.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

// Fields of a unit of the double array.
constexpr uint32_t kLeafValue = 0x80000000U;
constexpr bool has_leaf(uint32_t unit) { return (unit >> 8 & 1U) != 0; }
constexpr uint32_t label(uint32_t unit) { return unit & (kLeafValue | 0xFFU); }
constexpr uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }

/// Graphemes of this many bytes or more are taken character by character; so does the tokenizers library.
constexpr size_t kLongGrapheme = 6;

struct CloseText {
  void operator()(UText* text) const { utext_close(text); }
};

}  // namespace

Charsmap Charsmap::parse(std::string_view bytes) {
  uint32_t trie_bytes = 0;
  require(bytes.size() >= sizeof trie_bytes, ErrorCode::corrupt_data,
          "character map: it has {} bytes, but its header alone needs 4", bytes.size());
  std::memcpy(&trie_bytes, bytes.data(), sizeof trie_bytes);
  bytes.remove_prefix(sizeof trie_bytes);
  require(trie_bytes % sizeof(uint32_t) == 0 && trie_bytes > 0 && trie_bytes <= bytes.size(), ErrorCode::corrupt_data,
          "character map: its trie has {} bytes, but the map only {}; the file is cut off or damaged", trie_bytes,
          bytes.size());

  Charsmap map;
  map.units_.resize(trie_bytes / sizeof(uint32_t));
  std::memcpy(map.units_.data(), bytes.data(), trie_bytes);
  map.replacements_ = bytes.substr(trie_bytes);
  require(!map.replacements_.empty() && map.replacements_.back() == '\0', ErrorCode::corrupt_data,
          "character map: the last replacement has no end; the file is cut off or damaged");
  map.check();
  return map;
}

void Charsmap::check() const {
  // Readers keep the entries that a text begins with in an array of this size, and do not look when it is full.
  constexpr int kMostPrefixes = 32, kLongestKey = 256;
  std::vector<int8_t> most_prefixes(units_.size(), -1);  // entries from here on, along the longest way; -1 not visited
  const std::function<int(size_t, int)> visit = [&](size_t unit, int depth) -> int {
    const auto audio = [&](bool ok) {
      require(ok, ErrorCode::corrupt_data, "character map: unit {} of {} points outside the map; the file is damaged",
              unit, units_.size());
    };
    audio(depth < kLongestKey);  // also ends a way that goes round: a sound map shares ends of keys, but has no cycle
    if (most_prefixes[unit] >= 0) return most_prefixes[unit];
    const size_t base = unit ^ offset(units_[unit]);
    audio((base | 0xFFU) < units_.size());  // so that any next byte can be looked up
    const bool leaf = depth > 0 && has_leaf(units_[unit]);
    audio(!leaf || (units_[base] & ~kLeafValue) < replacements_.size());
    int most = 0;
    for (uint32_t byte = 1; byte < 256; ++byte)
      if (label(units_[base ^ byte]) == byte) most = std::max(most, visit(base ^ byte, depth + 1));
    audio(most + leaf <= kMostPrefixes);
    return most_prefixes[unit] = static_cast<int8_t>(most + leaf);
  };
  visit(0, 0);
}

std::optional<std::string_view> Charsmap::replacement(std::string_view sequence) const {
  size_t node = offset(units_[0]);
  for (const char c : sequence) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) return std::nullopt;
    const uint32_t unit = units_[node];
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) return std::nullopt;
    const size_t start = units_[node] & ~kLeafValue;
    if (start >= replacements_.size()) return std::nullopt;
    return std::string_view(replacements_.data() + start);
  }
  return std::nullopt;
}

std::string Charsmap::normalize(std::string_view text) const {
  UErrorCode status = U_ZERO_ERROR;
  // ICU's factory takes milliseconds: made once, cloned for each call since an iterator has a position.
  static const std::unique_ptr<icu::BreakIterator> prototype(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  require(prototype != nullptr, ErrorCode::internal, "ICU has no grapheme rules; is libicu complete?");
  const std::unique_ptr<icu::BreakIterator> graphemes(prototype->clone());
  status = U_ZERO_ERROR;
  const std::unique_ptr<UText, CloseText> view(
      utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &status));
  graphemes->setText(view.get(), status);
  require(U_SUCCESS(status) != 0, ErrorCode::internal, "ICU cannot read a text of {} bytes: {}", text.size(),
          u_errorName(status));

  std::string out;
  for (auto begin = static_cast<size_t>(graphemes->first()), end = begin; begin < text.size(); begin = end) {
    end = static_cast<size_t>(graphemes->next());
    const std::string_view grapheme = text.substr(begin, end - begin);
    if (grapheme.size() < kLongGrapheme)
      if (const auto whole = replacement(grapheme)) {
        out += *whole;
        continue;
      }
    for (size_t at = 0; at < grapheme.size();) {
      const std::string_view character = grapheme.substr(at, character_bytes(grapheme[at]));
      out += replacement(character).value_or(character);
      at += character.size();
    }
  }
  require(!find_invalid_utf8(out), ErrorCode::corrupt_data, "character map: a replacement is not UTF-8");
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr auto kValues = [] {
    std::array<int8_t, 256> values{};
    values.fill(-1);
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < alphabet.size(); ++i) values[static_cast<uint8_t>(alphabet[i])] = static_cast<int8_t>(i);
    return values;
  }();
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=' || c == '\n' || c == '\r') continue;
    const int8_t value = kValues[static_cast<uint8_t>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<char>(bits >> held & 0xFFU));
  }
  return out;
}

}  // namespace rushes::text
