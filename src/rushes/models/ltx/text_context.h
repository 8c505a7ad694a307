// What the transformer keeps of prompts from step to step.
#pragma once
#include <cstdint>
#include <vector>

#include "rushes/nn/kv_cache.h"

namespace rushes::ltx {

/// Keys and values of prompts for every layer. Copies share the tensors.
struct TextContext {
  /// Of one prompt: [layers], k and v [1, L, N, D]. Tokens that its mask hides are not among them.
  using Prompt = std::vector<nn::KeyValue>;
  std::vector<Prompt> prompts;  // one for each sample of a batch

  int64_t batch() const { return static_cast<int64_t>(prompts.size()); }
  /// Of one layer, each prompt's.
  std::vector<const nn::KeyValue*> layer(std::size_t index) const;
  int64_t bytes() const;
};

/// The prompts of all, in order: {negative, positive} for guidance.
TextContext joined(const std::vector<TextContext>& contexts);

}  // namespace rushes::ltx
