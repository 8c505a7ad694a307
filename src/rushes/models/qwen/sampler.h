// Which token comes next.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "rushes/models/qwen/config.h"

namespace rushes::qwen {

/// Logits of tokens that were there before are divided by `penalty` where positive, else multiplied: [V] float32.
at::Tensor penalised(const at::Tensor& logits, std::span<const int64_t> previous, double penalty);

/// Probabilities to draw from, [V] float32: after the repetition penalty the temperature, top-k (with those that equal
/// the k-th), top-p (of the sorted probabilities, the least ones that together are 1 - p at most are left out, never
/// the most probable token), softmax; in this order, in float32. `previous`: prompt and what was generated so far.
at::Tensor probabilities(const at::Tensor& logits, std::span<const int64_t> previous, const SamplingConfig& config);

/// Throws Error(invalid_argument) naming the field: temperature must be above 0 where tokens are drawn, top_k at least
/// 0, top_p above 0 and at most 1, repetition_penalty above 0.
void check(const SamplingConfig& config);

/// Draws of one text; a copy continues alike. The same seed draws what the reference framework draws on a CPU.
class Sampler {
 public:
  Sampler(const SamplingConfig& config, uint64_t seed);
  Sampler(const Sampler& other);
  Sampler& operator=(const Sampler& other);

  /// logits [V] float32 on any device. Throws Error(internal) if they are not numbers.
  int64_t next(const at::Tensor& logits, std::span<const int64_t> previous);
  const SamplingConfig& config() const noexcept { return config_; }

 private:
  SamplingConfig config_;
  at::Generator generator_;
};

}  // namespace rushes::qwen
