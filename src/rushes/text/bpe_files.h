// The files of a byte-level BPE tokenizer.
#pragma once
#include <filesystem>
#include <string_view>

#include "rushes/text/byte_level_bpe.h"

namespace rushes::text {

/// Largest number of tokens, of merges, and bytes of a token: far above what published models have (152 thousand).
inline constexpr size_t kMaxBpeTokens = 1'000'000, kMaxBpeTokenBytes = 4096, kMaxAddedTokens = 10'000;

/// vocab.json: an object of token: id. merges.txt: "left right" a line, a first line "#version" is no merge.
/// `tokenizer_config`: its added_tokens_decoder (id: {content, special}); empty: none are added. Names stand in
/// messages. Throws Error(corrupt_data, too_large).
BpeFiles parse_bpe_files(std::string_view vocabulary, std::string_view merges, std::string_view tokenizer_config,
                         std::string_view name);

/// tokenizer.json with a model of type BPE. Throws Error(corrupt_data, too_large) naming the field, Error(unsupported)
/// for another model, normaliser, pre-tokenizer or expression than those that ByteLevelBpe has.
BpeFiles parse_bpe_json(std::string_view json, std::string_view name);

/// Of a folder: vocab.json and merges.txt with tokenizer_config.json, where the first two are; else tokenizer.json.
/// Added tokens come from whichever file has them. Throws Error(not_found), and as above.
BpeFiles read_bpe_files(const std::filesystem::path& folder);

}  // namespace rushes::text
