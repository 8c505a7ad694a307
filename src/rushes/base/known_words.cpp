#include "rushes/base/known_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "rushes/base/printable.h"

namespace rushes {
namespace {

/// Bytes of the character that `text` begins with.
std::size_t length_of(std::string_view text) { return std::max<std::size_t>(1, utf8_length(text)); }

/// Letters, digits and apostrophes of ASCII; beyond it all but the blocks of punctuation: curly quotes, dashes, and
/// what Chinese text has between its words.
bool is_of_word(std::string_view character) {
  const auto byte = static_cast<unsigned char>(character[0]);
  if (byte < 0x80)
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '\'';
  for (const std::string_view punctuation : {"\xe2\x80", "\xe2\x81", "\xe3\x80", "\xef\xbc", "\xc2"})
    if (character.starts_with(punctuation)) return false;
  return true;
}

}  // namespace

std::vector<std::string> words_in(std::string_view text) {
  constexpr std::size_t kMostBytes = 64;  // scripts without spaces have words as long as the text
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    const std::size_t begin = word.find_first_not_of('\'');
    if (begin != std::string::npos) words.push_back(word.substr(begin, word.find_last_not_of('\'') + 1 - begin));
    word.clear();
  };
  while (!text.empty()) {
    const std::string_view character = text.substr(0, length_of(text));
    text.remove_prefix(character.size());
    if (!is_of_word(character) || word.size() + character.size() > kMostBytes) end_word();
    if (!is_of_word(character)) continue;
    const char first = character[0];
    word +=
        first >= 'A' && first <= 'Z' ? std::string(1, static_cast<char>(first - 'A' + 'a')) : std::string(character);
  }
  end_word();
  return words;
}

void KnownWords::add(std::string_view phrase) {
  const auto same = [words = words_in(phrase)](const std::string& each) { return words_in(each) == words; };
  if (!phrase.empty() && std::find_if(phrases.begin(), phrases.end(), same) == phrases.end())
    phrases.emplace_back(phrase);
}

std::vector<std::string> KnownWords::unknown_in(std::span<const std::string> texts) const {
  std::vector<std::string> unknown;
  if (phrases.empty()) return unknown;
  std::set<std::string> seen;
  for (const std::string& phrase : phrases)
    for (std::string& word : words_in(phrase)) seen.insert(std::move(word));
  for (const std::string& text : texts)
    for (std::string& word : words_in(text)) {
      if (unknown.size() == kMostUnknown) return unknown;
      if (seen.insert(word).second) unknown.push_back(std::move(word));
    }
  return unknown;
}

std::string unknown_words_sentence(std::span<const std::string> words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i)
    list += fmt::format("{}\"{}\"", i == 0 ? "" : i + 1 == words.size() ? " and " : ", ", printable(words[i]));
  return fmt::format("the model does not know the word{} {}", words.size() == 1 ? "" : "s", list);
}

}  // namespace rushes
