#include "rushes/models/t5/text_encoder.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/prompt.h"

namespace rushes::t5 {

TextEncoder::TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, std::shared_ptr<const Encoder> encoder)
    : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)) {
  require(tokenizer_->vocabulary_size() <= encoder_->config().vocab_size, ErrorCode::corrupt_data,
          "the tokenizer has {} ids, but the text encoder has embeddings for {}; do they belong together?",
          tokenizer_->vocabulary_size(), encoder_->config().vocab_size);
}

EncodedText TextEncoder::encode(std::string_view text, int64_t length) const {
  text::require_prompt(text);
  const text::Encoding tokens = tokenizer_->encode(text, length);
  const auto row = [&](const std::vector<int64_t>& values) { return at::tensor(values, at::kLong).view({1, length}); };
  const at::NoGradGuard no_gradients;
  return {encoder_->forward(row(tokens.ids)), row(tokens.mask)};
}

int64_t TextEncoder::count_tokens(std::string_view text) const {
  text::require_prompt(text);
  return static_cast<int64_t>(tokenizer_->tokenize(text).size());
}

}  // namespace rushes::t5
