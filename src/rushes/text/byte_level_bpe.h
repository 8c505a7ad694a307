// Byte-level byte-pair encoding as GPT-2 introduced it and Qwen uses it: a text in Unicode's normal form C is cut into
// words, the bytes of each are merged by rank. Every text has an encoding.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rushes/text/added_tokens.h"
#include "rushes/text/normalizers.h"

namespace rushes::text {

/// A token beside those of the merges: control tokens (special) and marks that belong to the text (not special).
struct BpeAddedToken {
  std::string content;
  int64_t id = 0;
  bool special = true;
};

/// The contents of the files. Tokens are spelled in GPT-2's alphabet, where each byte is a printable character.
struct BpeFiles {
  std::unordered_map<std::string, int64_t> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  std::vector<BpeAddedToken> added;
};

/// What an added token is that is spelled out in a text: a user's "<|im_end|>" must not end the user's turn.
enum class AddedTokensInText { plain, recognised };
enum class SpecialTokensInOutput { keep, skip };

/// Any thread: every function is const.
class ByteLevelBpe {
 public:
  /// Throws Error(corrupt_data) naming what is wrong: a byte without a token, a merge of or to something that is no
  /// token, two tokens of one id, an id that is negative or from 2^21 on.
  explicit ByteLevelBpe(const BpeFiles& files);

  /// Throws Error(invalid_argument) if `text` is not UTF-8.
  std::vector<int64_t> encode(std::string_view text, AddedTokensInText added = AddedTokensInText::plain) const;

  /// UTF-8, U+FFFD for each sequence that is none. Ids without a token are left out: a model may have more rows than
  /// its tokenizer has tokens.
  std::string decode(std::span<const int64_t> ids, SpecialTokensInOutput special = SpecialTokensInOutput::skip) const;

  /// Id of an added token, or nothing.
  std::optional<int64_t> find_added(std::string_view content) const;
  bool is_special(int64_t id) const;
  /// One more than the largest id.
  int64_t vocabulary_size() const noexcept { return static_cast<int64_t>(bytes_of_id_.size()); }

 private:
  struct Merge {
    int32_t rank, id;
  };
  void encode_text(std::string_view text, std::vector<int64_t>& ids) const;
  void encode_word(std::string_view word, std::vector<int64_t>& ids) const;

  std::array<int32_t, 256> id_of_byte_{};
  std::unordered_map<uint64_t, Merge> merges_;  // of two ids
  std::vector<std::string> bytes_of_id_;        // the bytes that a token stands for; empty: none
  std::vector<bool> special_;
  AddedTokens added_;
  Normalizer normal_form_;
};

/// The words of a text, each of which is encoded by itself: the regular expression of Qwen's tokenizer files,
///   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
/// in one pass. `text` is valid UTF-8. Returns parts of it, which together are all of it.
std::vector<std::string_view> split_words(std::string_view text);
/// That expression as it stands in the files.
extern const std::string_view kWordExpression;

/// Bytes as GPT-2's alphabet spells them, and back; nothing where a character is not of the alphabet.
std::string to_byte_alphabet(std::string_view bytes);
std::optional<std::string> from_byte_alphabet(std::string_view text);

/// `bytes` as UTF-8: U+FFFD for each longest beginning of a sequence that goes wrong.
std::string with_replacements(std::string_view bytes);

}  // namespace rushes::text
