// Tokenizer of a sentencepiece .model file, by libsentencepiece.
#pragma once
#include <memory>
#include <string_view>

#include "rushes/text/tokenizer.h"

namespace rushes::text {

/// The model must have an end token. Padding is its pad id, or 0 where it has none. No begin token is added, as for T5.
/// `name` stands in messages. Throws Error(corrupt_data).
std::unique_ptr<const Tokenizer> parse_sentencepiece(std::string_view model, std::string_view name);

}  // namespace rushes::text
