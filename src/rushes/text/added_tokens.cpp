#include "rushes/text/added_tokens.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

bool is_word(UChar32 c) {  // \w of Unicode regular expressions
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

/// The character that ends just before byte `at`; `at` is left at its first byte.
UChar32 previous(std::string_view text, int32_t& at) {
  UChar32 c = 0;
  U8_PREV(reinterpret_cast<const uint8_t*>(text.data()), 0, at, c);
  return c;
}

UChar32 next(std::string_view text, int32_t& at) {
  UChar32 c = 0;
  U8_NEXT(reinterpret_cast<const uint8_t*>(text.data()), at, static_cast<int32_t>(text.size()), c);
  return c;
}

bool touches_word(std::string_view text, size_t begin, size_t end) {
  auto before = static_cast<int32_t>(begin), behind = static_cast<int32_t>(end);
  return (begin > 0 && is_word(previous(text, before))) || (end < text.size() && is_word(next(text, behind)));
}

size_t skip_space_left(std::string_view text, size_t at, size_t least) {
  for (auto position = static_cast<int32_t>(at); at > least && u_isUWhiteSpace(previous(text, position)) != 0;)
    at = static_cast<size_t>(position);
  return std::max(at, least);
}

size_t skip_space_right(std::string_view text, size_t at) {
  for (auto position = static_cast<int32_t>(at); at < text.size() && u_isUWhiteSpace(next(text, position)) != 0;)
    at = static_cast<size_t>(position);
  return at;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string, int32_t>> entries;
  for (size_t i = 0; i < tokens_.size(); ++i) entries.emplace_back(tokens_[i].content, static_cast<int32_t>(i));
  trie_ = ByteTrie(std::move(entries));
}

std::vector<TextPart> AddedTokens::split(std::string_view text) const {
  std::vector<TextPart> parts;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    size_t length = 0;
    int32_t number = -1;
    trie_.prefixes(text.substr(at), [&](size_t bytes, int32_t found) { length = bytes, number = found; });
    if (number < 0) {
      at += character_bytes(text[at]);
      continue;
    }
    const AddedToken& token = (*this)[number];
    size_t begin = at, end = at + length;
    at = end;
    if (token.single_word && touches_word(text, begin, end)) continue;
    if (token.lstrip) begin = skip_space_left(text, begin, done);
    if (token.rstrip) at = end = skip_space_right(text, end);
    if (begin > done) parts.push_back({-1, text.substr(done, begin - done)});
    parts.push_back({number, text.substr(begin, end - begin)});
    done = end;
  }
  if (done < text.size()) parts.push_back({-1, text.substr(done)});
  return parts;
}

}  // namespace rushes::text
