// The text side of a Wan model: prompt in, context of the diffusion transformer out. Cleaning, tokenizer, UMT5.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string_view>

#include "rushes/models/wan/umt5.h"
#include "rushes/text/tokenizer.h"

namespace rushes::wan {

/// Any thread.
class TextEncoder {
 public:
  /// `device` is that of the encoder's weights. Throws Error(corrupt_data) if the tokenizer has ids that the encoder
  /// has no embedding for.
  TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, std::shared_ptr<const Umt5Encoder> encoder,
              at::Device device = at::kCPU);

  /// [1, text_len, dim], dtype and device of the encoder's weights, rows behind the prompt's tokens 0. An empty prompt
  /// is the end token alone. Not differentiable. Throws Error(too_large) for a prompt above text::kMaxPromptBytes,
  /// Error(invalid_argument) if it is not UTF-8.
  at::Tensor encode(std::string_view prompt) const;

  /// Of all of the prompt, the end token too; those behind the encoder's text_len are cut off. Throws as encode().
  int64_t count_tokens(std::string_view prompt) const;

  const Umt5Encoder& encoder() const noexcept { return *encoder_; }

 private:
  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const std::shared_ptr<const Umt5Encoder> encoder_;
  const at::Device device_;
};

}  // namespace rushes::wan
