// Makes the byte-level tokenizer of a shipped model from its texts.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rushes/text/byte_level_bpe.h"

namespace rushes::text {

/// Merges by rank, spelled in GPT-2's alphabet.
using BpeMerges = std::vector<std::pair<std::string, std::string>>;

/// Up to `count` merges: each is of the neighbours that stand together most often within words (split_words()); of
/// equal ones the first in the order of their spelling. The same texts give the same merges. Fewer where no pair is
/// left that occurs twice. `texts` in normal form C. Throws Error(invalid_argument) if one is not UTF-8. Source:
/// arXiv:1508.07909, over bytes.
BpeMerges train_bpe(std::span<const std::string> texts, int64_t count);

/// A tokenizer's files: every byte (ids 0 to 255), what the merges make in their order, then `control` tokens.
BpeFiles bpe_files(const BpeMerges& merges, std::span<const std::string> control);

}  // namespace rushes::text
