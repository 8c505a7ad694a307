#include <unicode/uchar.h>

#include "rushes/text/byte_level_bpe.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

enum class Kind { letter, number, line_break, space, other };

Kind kind_of(char32_t c) {
  if (c == '\r' || c == '\n') return Kind::line_break;
  const auto mask = U_GET_GC_MASK(static_cast<UChar32>(c));
  if ((mask & U_GC_L_MASK) != 0) return Kind::letter;
  if ((mask & U_GC_N_MASK) != 0) return Kind::number;
  return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0 ? Kind::space : Kind::other;
}

struct Character {
  Kind kind;
  char32_t folded;  // lower case
  size_t begin;     // byte in the text
};

bool is_space(Kind kind) { return kind == Kind::space || kind == Kind::line_break; }

/// The expression's alternatives, in their order, at one place each.
class Splitter {
 public:
  explicit Splitter(std::string_view text) {
    size_t begin = 0;
    for (const char32_t c : to_code_points(text)) {
      const auto folded = u_foldCase(static_cast<UChar32>(c), U_FOLD_CASE_DEFAULT);
      characters_.push_back({kind_of(c), static_cast<char32_t>(folded), begin});
      begin += character_bytes(text[begin]);
    }
    characters_.push_back({Kind::other, 0, begin});  // the end
  }

  size_t size() const { return characters_.size() - 1; }
  size_t byte(size_t i) const { return characters_[i].begin; }

  /// Where the word that begins at `i` ends.
  size_t end_of_word(size_t i) const {
    if (const size_t letters = contraction(i)) return i + 1 + letters;
    if (is(i, Kind::letter)) return while_kind(i, Kind::letter);
    if (!is(i, Kind::line_break) && !is(i, Kind::number) && is(i + 1, Kind::letter))
      return while_kind(i + 1, Kind::letter);
    if (is(i, Kind::number)) return i + 1;
    const size_t marks = characters_[i].folded == ' ' ? i + 1 : i;
    if (is(marks, Kind::other)) return while_kind(while_kind(marks, Kind::other), Kind::line_break);
    return end_of_space(i);
  }

 private:
  bool is(size_t i, Kind kind) const { return i < size() && characters_[i].kind == kind; }
  size_t while_kind(size_t i, Kind kind) const {
    while (is(i, kind)) ++i;
    return i;
  }
  /// Letters behind the apostrophe of 's, 't, 're, 've, 'm, 'll, 'd; 0: it is none of these.
  size_t contraction(size_t i) const {
    if (characters_[i].folded != '\'' || i + 1 >= size()) return 0;
    const char32_t a = characters_[i + 1].folded, b = i + 2 < size() ? characters_[i + 2].folded : 0;
    if (a == 's' || a == 't') return 1;
    if ((a == 'r' || a == 'v') && b == 'e') return 2;
    if (a == 'm') return 1;
    if (a == 'l' && b == 'l') return 2;
    return a == 'd' ? 1 : 0;
  }
  /// White space up to its last line break; without one, all but the last where something follows.
  size_t end_of_space(size_t i) const {
    size_t end = i, line_break = i;
    for (; end < size() && is_space(characters_[end].kind); ++end)
      if (characters_[end].kind == Kind::line_break) line_break = end + 1;
    if (line_break > i) return line_break;
    return end < size() && end - i > 1 ? end - 1 : end;
  }

  std::vector<Character> characters_;
};

}  // namespace

const std::string_view kWordExpression =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::vector<std::string_view> split_words(std::string_view text) {
  const Splitter splitter(text);
  std::vector<std::string_view> words;
  for (size_t i = 0; i < splitter.size();) {
    const size_t end = splitter.end_of_word(i);
    words.push_back(text.substr(splitter.byte(i), splitter.byte(end) - splitter.byte(i)));
    i = end;
  }
  return words;
}

}  // namespace rushes::text
