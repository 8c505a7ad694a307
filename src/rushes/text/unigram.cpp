#include "rushes/text/unigram.h"

#include <fmt/format.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

constexpr double kUnknownPenalty = 10.0;

ByteTrie trie_of(const std::vector<Piece>& vocabulary) {
  std::vector<std::pair<std::string, int32_t>> entries;
  entries.reserve(vocabulary.size());
  for (size_t id = 0; id < vocabulary.size(); ++id) entries.emplace_back(vocabulary[id].text, static_cast<int32_t>(id));
  return ByteTrie(std::move(entries));
}

}  // namespace

Unigram::Unigram(std::vector<Piece> vocabulary, int64_t unknown, bool byte_fallback)
    : vocabulary_(std::move(vocabulary)), trie_(trie_of(vocabulary_)), unknown_(static_cast<int32_t>(unknown)) {
  require(unknown >= 0 && unknown < size(), ErrorCode::corrupt_data,
          "the unknown token {} is not one of the {} pieces of the vocabulary", unknown, size());
  unknown_score_ = std::ranges::min_element(vocabulary_, {}, &Piece::score)->score - kUnknownPenalty;
  if (!byte_fallback) return;
  for (int byte = 0; byte < 256; ++byte) byte_ids_.push_back(find(fmt::format("<0x{:02X}>", byte)));
}

void Unigram::split(std::string_view text, std::vector<Token>& tokens) const {
  struct Best {
    double score = 0;
    size_t start = 0;
    int32_t id = -1;  // of the last piece; -1: nothing ends here yet
  };
  std::vector<Best> best(text.size() + 1);
  const auto offer = [&](size_t start, size_t end, int32_t id, double score) {
    const double total = best[start].score + score;
    if (best[end].id < 0 || total > best[end].score) best[end] = {total, start, id};
  };
  for (size_t start = 0; start < text.size(); start += character_bytes(text[start])) {
    const size_t character = character_bytes(text[start]);
    bool covered = false;
    trie_.prefixes(text.substr(start), [&](size_t length, int32_t id) {
      offer(start, start + length, id, vocabulary_[static_cast<size_t>(id)].score);
      covered |= length == character;
    });
    if (!covered) offer(start, start + character, unknown_, unknown_score_);
  }

  const size_t first = tokens.size();
  for (size_t end = text.size(); end > 0;) {
    size_t start = best[end].start;
    const int32_t id = best[end].id;
    if (id == unknown_) {  // one token for the whole run
      while (start > 0 && best[start].id == unknown_) start = best[start].start;
      append_unknown(text.substr(start, end - start), tokens);
    } else {
      tokens.push_back({id, std::string(text.substr(start, end - start))});
    }
    end = start;
  }
  std::reverse(tokens.begin() + static_cast<std::ptrdiff_t>(first), tokens.end());
}

/// Backwards, as split() collects them.
void Unigram::append_unknown(std::string_view text, std::vector<Token>& tokens) const {
  const auto id_of = [&](char c) { return byte_ids_[static_cast<uint8_t>(c)]; };
  const bool as_bytes = !byte_ids_.empty() && std::ranges::all_of(text, [&](char c) { return id_of(c) >= 0; });
  if (!as_bytes) return tokens.push_back({unknown_, std::string(text)});
  for (size_t i = text.size(); i-- > 0;) tokens.push_back({id_of(text[i]), this->text(id_of(text[i]))});
}

}  // namespace rushes::text
