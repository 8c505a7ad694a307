#include "rushes/models/wan/text_encoder.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/clean.h"
#include "rushes/text/prompt.h"

namespace rushes::wan {

TextEncoder::TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, std::shared_ptr<const Umt5Encoder> encoder,
                         at::Device device)
    : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)), device_(device) {
  require(tokenizer_->vocabulary_size() <= encoder_->config().vocab, ErrorCode::corrupt_data,
          "the tokenizer has {} ids, but the text encoder has embeddings for {}; do they belong together?",
          tokenizer_->vocabulary_size(), encoder_->config().vocab);
}

at::Tensor TextEncoder::encode(std::string_view prompt) const {
  text::require_prompt(prompt);
  const int64_t length = encoder_->config().text_len;
  const text::Encoding tokens = tokenizer_->encode(text::clean(prompt, text::Cleaning::whitespace), length);
  const auto row = [&](const std::vector<int64_t>& values) {
    return at::tensor(values, at::kLong).view({1, length}).to(device_);
  };
  const at::NoGradGuard no_gradients;
  return encoder_->encode(row(tokens.ids), row(tokens.mask));
}

int64_t TextEncoder::count_tokens(std::string_view prompt) const {
  text::require_prompt(prompt);
  return static_cast<int64_t>(tokenizer_->tokenize(text::clean(prompt, text::Cleaning::whitespace)).size());
}

}  // namespace rushes::wan
