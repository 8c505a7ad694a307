// Tokenizer of a tokenizer.json, the file of the Hugging Face tokenizers library, with a Unigram model: what T5, UMT5,
// mT5 and XLM-R have. Text -> added tokens cut out -> normalised -> words -> Viterbi -> end token.
#pragma once
#include <filesystem>
#include <memory>
#include <string_view>

#include "rushes/text/tokenizer.h"

namespace rushes::text {

/// Padding is the file's padding.pad_id, else the added token "<pad>", else 0; its truncation and padding lengths are
/// not used, encode() has its own. Throws Error(corrupt_data) naming `name` and the field for what is missing or of a
/// wrong type, Error(unsupported) for another model, normalizer, pre-tokenizer or post-processor.
std::unique_ptr<const Tokenizer> parse_tokenizer_json(std::string_view json, std::string_view name);

}  // namespace rushes::text
