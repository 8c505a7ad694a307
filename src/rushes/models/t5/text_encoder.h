// From a prompt to the text conditioning of a diffusion transformer: sentencepiece tokenizer and T5 encoder.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string_view>

#include "rushes/models/t5/t5_encoder.h"
#include "rushes/text/tokenizer.h"

namespace rushes::t5 {

/// A text of L tokens, padded.
struct EncodedText {
  at::Tensor embeddings;  // [1, L, d_model], dtype and device of the encoder
  at::Tensor mask;        // [1, L] int64 on the CPU: 1 for tokens of the text and its end token
};

/// Any thread.
class TextEncoder {
 public:
  /// Throws Error(corrupt_data) if the tokenizer has ids that the encoder has no embedding for.
  TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, std::shared_ptr<const Encoder> encoder);

  /// Exactly `length` tokens: a longer text loses its end, not the end token. Padding attends and is attended to, as
  /// published. An empty text is the end token alone. Not differentiable. Throws Error(too_large) above
  /// text::kMaxPromptBytes, Error(invalid_argument) if it is not UTF-8.
  EncodedText encode(std::string_view text, int64_t length) const;

  /// Of all of the text, the end token too.
  int64_t count_tokens(std::string_view text) const;

  const Encoder& encoder() const noexcept { return *encoder_; }

 private:
  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const std::shared_ptr<const Encoder> encoder_;
};

}  // namespace rushes::t5
