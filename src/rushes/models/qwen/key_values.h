// Keys and values of the tokens that a language model has read. They grow token by token without being copied each
// time: storage doubles.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/nn/kv_cache.h"

namespace rushes::qwen {

/// Owned by one generation, one thread. A copy is independent.
class KeyValues {
 public:
  struct Options {
    int64_t layers, heads, head_size;
    int64_t capacity_tokens = 256;  // at first
    int64_t batch = 1;
  };
  KeyValues(const Options& options, const at::TensorOptions& storage);
  KeyValues(const KeyValues& other);
  KeyValues& operator=(const KeyValues& other);
  KeyValues(KeyValues&&) = default;
  KeyValues& operator=(KeyValues&&) = default;

  /// Stores k, v [B, L, G, D] of a layer behind the tokens committed so far and returns all of it, theirs included:
  /// views [B, M + L, G, D].
  nn::KeyValue append(int64_t layer, const at::Tensor& k, const at::Tensor& v);
  /// Makes what all layers have appended past.
  void commit(int64_t tokens);

  int64_t tokens() const noexcept { return tokens_; }
  int64_t bytes() const noexcept;

 private:
  Options options_;
  at::TensorOptions storage_;
  std::vector<nn::KeyValue> layers_;  // [B, capacity, G, D]; undefined until first used
  int64_t tokens_ = 0;
};

}  // namespace rushes::qwen
