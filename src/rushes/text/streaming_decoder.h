// Text of tokens as they come: whole words, never a broken character.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/text/byte_level_bpe.h"

namespace rushes::text {

/// Gives what is certain after each token: up to the last space; all after a line break or a Chinese ideograph. The
/// latency is one word. Source: TextStreamer of the transformers library. A copy is independent.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(std::shared_ptr<const ByteLevelBpe> tokenizer) : tokenizer_(std::move(tokenizer)) {}

  /// The text that `id` makes certain; may be empty. Special tokens have none.
  std::string push(int64_t id);
  /// The rest. It begins anew then.
  std::string finish();

 private:
  std::shared_ptr<const ByteLevelBpe> tokenizer_;
  std::vector<int64_t> ids_;  // since the last line break
  size_t told_bytes_ = 0;     // of their text
};

}  // namespace rushes::text
