#include "rushes/models/qwen/generation.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::qwen {

Generation::Generation(std::shared_ptr<const Model> model, Prompt prompt, GenerationOptions options)
    : model_(std::move(model)),
      prompt_(std::move(prompt)),
      options_(options),
      past_(model_->language.past(static_cast<int64_t>(prompt_.ids.size()) +
                                  std::min<int64_t>(std::max<int64_t>(options.max_new_tokens, 1), kTokensAtFirst))),
      sampler_(options.sampling, options.seed),
      decoder_(model_->tokenizer),
      seen_(prompt_.ids) {
  require(!prompt_.ids.empty(), ErrorCode::invalid_argument, "the prompt is empty");
  require(options.max_new_tokens >= 1, ErrorCode::invalid_argument, "max_new_tokens must be at least 1 (got {})",
          options.max_new_tokens);
  const int64_t room = model_->config.text.max_position_embeddings - prompt_tokens();
  require(room >= 1, ErrorCode::too_large, "the prompt has {} tokens; the model reads at most {}", prompt_tokens(),
          model_->config.text.max_position_embeddings - 1);
  options_.max_new_tokens = std::min(options_.max_new_tokens, room);
}

at::Tensor Generation::read() {
  const LanguageModel& language = model_->language;
  if (past_.tokens() == 0) {
    const Model::Embedded prompt = model_->embedded(prompt_);
    const at::Tensor hidden = language.forward(prompt.x, prompt.positions, &past_);
    position_delta_ = prompt.position_delta;
    return language.logits(hidden.narrow(1, hidden.size(1) - 1, 1));
  }
  const at::TensorOptions integers(at::kLong);
  const at::Tensor id = at::full({1, 1}, tokens_.back(), integers);
  const at::Tensor position = at::full({3, 1, 1}, past_.tokens() + position_delta_, integers).to(language.device());
  return language.logits(language.forward(language.embed(id), position, &past_));
}

Generation::Step Generation::step() {
  if (finished()) return {.end = end_};
  const c10::InferenceMode inference;
  if (past_.tokens() < std::ssize(seen_)) logits_ = read().view({-1});
  return take(sampler_.next(logits_, seen_));
}

Generation::Step Generation::take(int64_t token) {
  tokens_.push_back(token);
  seen_.push_back(token);
  const auto& ends = model_->config.eos_token_ids;
  if (std::ranges::find(ends, token) != ends.end())
    end_ = GenerationEnd::end_token;
  else if (std::ssize(tokens_) >= options_.max_new_tokens)
    end_ = GenerationEnd::length;
  Step step{.tokens = {token}, .text = decoder_.push(token), .end = end_};
  if (finished()) step.text += decoder_.finish();
  return step;
}

}  // namespace rushes::qwen
