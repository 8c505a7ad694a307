#include "rushes/text/train_bpe.h"

#include <map>

#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

using Pair = std::pair<std::string, std::string>;

struct Spelled {
  std::vector<std::string> parts;
  int64_t count = 0;
};

std::vector<Spelled> words_of(std::span<const std::string> texts) {
  std::map<std::string, int64_t> counts;
  for (const std::string& text : texts) {
    require_utf8(text, "a text for the tokenizer");
    for (const std::string_view word : split_words(text)) ++counts[std::string(word)];
  }
  std::vector<Spelled> words;
  for (const auto& [bytes, count] : counts) {
    Spelled word{{}, count};
    for (const char byte : bytes) word.parts.push_back(to_byte_alphabet({&byte, 1}));
    words.push_back(std::move(word));
  }
  return words;
}

void merge(Spelled& word, const Pair& pair) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < word.parts.size(); ++i) {
    const bool joins = i + 1 < word.parts.size() && word.parts[i] == pair.first && word.parts[i + 1] == pair.second;
    parts.push_back(joins ? pair.first + pair.second : word.parts[i]);
    if (joins) ++i;
  }
  word.parts = std::move(parts);
}

}  // namespace

BpeMerges train_bpe(std::span<const std::string> texts, int64_t count) {
  std::vector<Spelled> words = words_of(texts);
  BpeMerges merges;
  while (std::ssize(merges) < count) {
    std::map<Pair, int64_t> pairs;  // sorted: of equal ones the first is the first by spelling
    for (const Spelled& word : words)
      for (size_t i = 0; i + 1 < word.parts.size(); ++i) pairs[{word.parts[i], word.parts[i + 1]}] += word.count;
    const Pair* best = nullptr;
    int64_t most = 1;
    for (const auto& [pair, times] : pairs)
      if (times > most) best = &pair, most = times;
    if (!best) break;
    merges.push_back(*best);
    for (Spelled& word : words) merge(word, *best);
  }
  return merges;
}

BpeFiles bpe_files(const BpeMerges& merges, std::span<const std::string> control) {
  BpeFiles files;
  files.merges = merges;
  for (int byte = 0; byte < 256; ++byte) {
    const auto character = static_cast<char>(byte);
    files.vocabulary[to_byte_alphabet({&character, 1})] = byte;
  }
  for (const auto& [left, right] : merges) files.vocabulary.try_emplace(left + right, std::ssize(files.vocabulary));
  int64_t next = std::ssize(files.vocabulary);
  for (const std::string& token : control) files.added.push_back({token, next++, true});
  return files;
}

}  // namespace rushes::text
