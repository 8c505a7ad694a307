// A text that is being written, a token a call, so that whoever makes something else meanwhile can take turns with it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rushes/models/qwen/key_values.h"
#include "rushes/models/qwen/model.h"
#include "rushes/models/qwen/sampler.h"
#include "rushes/text/streaming_decoder.h"

namespace rushes::qwen {

struct GenerationOptions {
  SamplingConfig sampling;
  int64_t max_new_tokens = 512;
  uint64_t seed = 0;
};

/// Room for new tokens that a generation begins with; it grows where a text gets longer.
inline constexpr int64_t kTokensAtFirst = 512;

enum class GenerationEnd { none, end_token, length };

/// One text. Owned by one session, one thread at a time. A copy goes on like its origin.
class Generation {
 public:
  /// Throws Error(invalid_argument) for options out of range, an empty prompt, one that leaves no room for a token.
  Generation(std::shared_ptr<const Model> model, Prompt prompt, GenerationOptions options);

  struct Step {
    std::vector<int64_t> tokens;  // none, or the one that this step made; also the one that ended the text
    std::string text;             // what became certain: may be empty, or several words
    GenerationEnd end = GenerationEnd::none;
  };
  /// The first call reads the prompt and makes the first token, each other one makes one more. Nothing after the end.
  /// An interrupted step leaves no trace: the next call does it again.
  Step step();

  bool finished() const noexcept { return end_ != GenerationEnd::none; }
  const std::vector<int64_t>& tokens() const noexcept { return tokens_; }  // made so far
  int64_t prompt_tokens() const noexcept { return static_cast<int64_t>(prompt_.ids.size()); }
  /// Logits that the last token was chosen from: [V] float32.
  const at::Tensor& logits() const noexcept { return logits_; }
  const KeyValues& past() const noexcept { return past_; }
  /// Of keys and values.
  int64_t bytes() const noexcept { return past_.bytes(); }

 private:
  at::Tensor read();
  Step take(int64_t token);

  std::shared_ptr<const Model> model_;
  Prompt prompt_;
  GenerationOptions options_;
  KeyValues past_;
  Sampler sampler_;
  text::StreamingDecoder decoder_;
  std::vector<int64_t> tokens_, seen_;  // generated; prompt and generated
  int64_t position_delta_ = 0;
  at::Tensor logits_;
  GenerationEnd end_ = GenerationEnd::none;
};

}  // namespace rushes::qwen
