// Tokens that stand outside a vocabulary's statistics: control tokens and those a user added. They are cut out of a
// text before it is normalised or split.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "rushes/text/byte_trie.h"

namespace rushes::text {

struct AddedToken {
  std::string content;
  int64_t id = 0;
  bool single_word = false;             // only where no letter or digit touches it
  bool lstrip = false, rstrip = false;  // takes the white space before / behind it along
};

/// A part of a text: an added token (its number), or text between them (-1).
struct TextPart {
  int32_t token;
  std::string_view text;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// The parts of `text` in order, without empty ones. From left to right, the longest token wins.
  std::vector<TextPart> split(std::string_view text) const;
  const AddedToken& operator[](int32_t number) const { return tokens_[static_cast<size_t>(number)]; }
  const std::vector<AddedToken>& all() const noexcept { return tokens_; }

 private:
  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
};

}  // namespace rushes::text
