// The steps by which a tokenizer.json changes a text before it is cut into pieces. Plain functions made from their
// parameters; the names and the meaning are those of the tokenizers library.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::text {

/// UTF-8 to UTF-8. Any thread. Throws Error(too_large) where a step would blow the text up beyond kMaxNormalizedBytes.
using Normalizer = std::function<std::string(std::string_view)>;

/// A file's rules may make a text longer, but a prompt of some kilobytes never needs this much.
inline constexpr size_t kMaxNormalizedBytes = 1 << 20;
void require_normalized_size(size_t bytes);

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };
Normalizer unicode_form(UnicodeForm form);
Normalizer lowercase();                                       // every character by itself, no language
Normalizer strip(bool left, bool right);                      // white space
Normalizer prepend(std::string prefix);                       // not to an empty text
Normalizer replace_all(std::string pattern, std::string by);  // throws Error(corrupt_data) for an empty pattern
/// A regular expression of ICU. Throws Error(corrupt_data) if it has an error; when it runs, Error(exhausted) if it
/// takes too long on a text.
Normalizer replace_matches(const std::string& expression, const std::string& by);
/// The clean-up of sentencepiece's "nmt" rules: control characters away, odd spaces and separators to a space.
Normalizer nmt();

/// A word is a part of a text that pieces never reach across.
struct Word {
  std::string text;
  bool begins_text;  // nothing stands before it in the whole text
};
using PreTokenizer = std::function<std::vector<Word>(const Word&)>;

enum class PrependScheme { always, first, never };
/// Spaces become `marker`, one is put in front where the scheme says so, and every marker begins a word (split).
PreTokenizer metaspace(std::string marker, PrependScheme scheme, bool split);
/// Words between white space, which is lost.
PreTokenizer whitespace_split();

}  // namespace rushes::text
