// The text side of a Wan model: prompt in, context of the diffusion transformer out. Cleaning, tokenizer, UMT5, and the
// prompts that were encoded last, so that a prompt which comes again costs nothing.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "rushes/models/wan/umt5.h"
#include "rushes/text/tokenizer.h"

namespace rushes::wan {

/// Any thread. No lock is held while a prompt is encoded: two threads with the same new prompt both encode it.
class TextEncoder {
 public:
  struct Options {
    int64_t cached_prompts = 64;  // 0 keeps none; one holds text_len * dim values (UMT5-XXL in bfloat16: 4 MB)
  };

  /// Throws Error(invalid_argument) if the tokenizer has ids that the encoder has no embedding for.
  TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, std::shared_ptr<const Umt5Encoder> encoder,
              const Options& options);
  TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, std::shared_ptr<const Umt5Encoder> encoder)
      : TextEncoder(std::move(tokenizer), std::move(encoder), Options{}) {}

  /// [1, text_len, dim], dtype and device of the encoder's weights, rows behind the prompt's tokens 0. Do not write to
  /// it: others may hold the same. An empty prompt is the end token alone. Not differentiable.
  /// Throws Error(too_large) for a prompt above text::kMaxPromptBytes, Error(invalid_argument) if it is not UTF-8.
  at::Tensor encode(std::string_view prompt);

  int64_t cached_prompts() const;
  const Umt5Encoder& encoder() const noexcept { return *encoder_; }

 private:
  using Entry = std::pair<std::string, at::Tensor>;
  at::Tensor find(const std::string& cleaned);  // undefined if it is not there
  void keep(const std::string& cleaned, const at::Tensor& context);

  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const std::shared_ptr<const Umt5Encoder> encoder_;
  const Options options_;
  mutable std::mutex mutex_;
  std::list<Entry> newest_first_;                                               // by last use; keys are cleaned prompts
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_prompt_;  // views into the list's strings
};

}  // namespace rushes::wan
