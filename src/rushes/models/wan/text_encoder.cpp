#include "rushes/models/wan/text_encoder.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/clean.h"
#include "rushes/text/prompt.h"

namespace rushes::wan {

TextEncoder::TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, std::shared_ptr<const Umt5Encoder> encoder,
                         const Options& options)
    : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)), options_(options) {
  require(options.cached_prompts >= 0, ErrorCode::invalid_argument, "cached_prompts must be at least 0 (got {})",
          options.cached_prompts);
  require(tokenizer_->vocabulary_size() <= encoder_->config().vocab, ErrorCode::invalid_argument,
          "the tokenizer has {} ids, the text encoder embeddings for {}; do they belong together?",
          tokenizer_->vocabulary_size(), encoder_->config().vocab);
}

at::Tensor TextEncoder::encode(std::string_view prompt) {
  text::require_prompt(prompt);
  const std::string cleaned = text::clean(prompt, text::Cleaning::whitespace);
  if (at::Tensor known = find(cleaned); known.defined()) return known;

  const text::Encoding encoding = tokenizer_->encode(cleaned, encoder_->config().text_len);
  const at::NoGradGuard no_gradients;
  const at::Tensor context = encoder_->encode(at::tensor(encoding.ids, at::kLong).unsqueeze(0),
                                              at::tensor(encoding.mask, at::kLong).unsqueeze(0));
  keep(cleaned, context);
  return context;
}

int64_t TextEncoder::cached_prompts() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(newest_first_.size());
}

at::Tensor TextEncoder::find(const std::string& cleaned) {
  const std::lock_guard lock(mutex_);
  const auto found = by_prompt_.find(cleaned);
  if (found == by_prompt_.end()) return {};
  newest_first_.splice(newest_first_.begin(), newest_first_, found->second);
  return found->second->second;
}

void TextEncoder::keep(const std::string& cleaned, const at::Tensor& context) {
  const std::lock_guard lock(mutex_);
  if (options_.cached_prompts == 0 || by_prompt_.contains(cleaned)) return;
  newest_first_.emplace_front(cleaned, context);
  by_prompt_.emplace(newest_first_.front().first, newest_first_.begin());
  if (static_cast<int64_t>(newest_first_.size()) <= options_.cached_prompts) return;
  by_prompt_.erase(newest_first_.back().first);
  newest_first_.pop_back();
}

}  // namespace rushes::wan
