// Unigram language model: the most probable way to write a text as pieces of a vocabulary.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/text/byte_trie.h"
#include "rushes/text/tokenizer.h"

namespace rushes::text {

struct Piece {
  std::string text;
  double score;  // log probability
};

/// Any thread: every function is const.
class Unigram {
 public:
  /// `vocabulary` in the order of its ids. byte_fallback: a character that no piece covers becomes its bytes' pieces
  /// <0x00> to <0xFF> where the vocabulary has them. Throws Error(corrupt_data) if `unknown` is outside.
  Unigram(std::vector<Piece> vocabulary, int64_t unknown, bool byte_fallback);

  /// Viterbi search. A character that no piece covers costs 10 more than the least probable piece; neighbours of that
  /// sort become one unknown token. Of equally probable ways the one with the longer last piece counts.
  /// Source: arXiv:1804.10959, section 3.2.
  void split(std::string_view text, std::vector<Token>& tokens) const;

  int64_t size() const noexcept { return static_cast<int64_t>(vocabulary_.size()); }
  /// Id of the piece, or -1.
  int64_t find(std::string_view piece) const { return trie_.find(piece); }
  const std::string& text(int64_t id) const { return vocabulary_[static_cast<size_t>(id)].text; }

 private:
  void append_unknown(std::string_view text, std::vector<Token>& tokens) const;

  std::vector<Piece> vocabulary_;
  ByteTrie trie_;
  int32_t unknown_;
  double unknown_score_;
  std::vector<int64_t> byte_ids_;  // 256 ids, -1 where there is none; empty without byte fallback
};

}  // namespace rushes::text
