// The words of the captions that a model was trained with, and the one rule for prompts beyond them: they are taken as
// they are, and the words that no caption had are told. Plain values.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rushes {

struct KnownWords {
  /// Words and short phrases ("to the left") in the order in which a sentence has them; empty: nothing is known.
  std::vector<std::string> phrases = {};
  bool operator==(const KnownWords&) const = default;

  /// Behind the others, unless it is empty or there, however it is written.
  void add(std::string_view phrase);
  /// Of all rows of a table, row by row.
  template <typename Table>
  void add_all(const Table& table) {
    for (const auto& row : table)
      for (const std::string_view phrase : row) add(phrase);
  }
  /// Words of the texts that no phrase has, each once and in lower case, at most kMostUnknown of them; none where
  /// nothing is known. Upper case (of ASCII) and punctuation make no difference.
  std::vector<std::string> unknown_in(std::span<const std::string> texts) const;
  static constexpr std::size_t kMostUnknown = 32;
};

/// What a text consists of between white space and punctuation, in lower case.
std::vector<std::string> words_in(std::string_view text);

/// For people: `the model does not know the words "cat" and "sofa"`.
std::string unknown_words_sentence(std::span<const std::string> words);

}  // namespace rushes
