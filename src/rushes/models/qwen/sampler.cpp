#include "rushes/models/qwen/sampler.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::qwen {
namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

/// Leaves the k largest, and those that equal the k-th.
void keep_top_k(std::vector<float>& logits, int64_t k) {
  if (k <= 0 || k >= std::ssize(logits)) return;
  std::vector<float> sorted = logits;
  const auto last = sorted.begin() + k - 1;
  std::nth_element(sorted.begin(), last, sorted.end(), std::greater<>());
  for (float& logit : logits)
    if (logit < *last) logit = kOut;
}

/// Leaves out the least probable ones that together are 1 - p at most.
void keep_top_p(std::vector<float>& logits, double p) {
  if (p >= 1) return;
  std::vector<int32_t> order;  // of those that are left, ascending
  for (int32_t i = 0; i < static_cast<int32_t>(logits.size()); ++i)
    if (logits[static_cast<size_t>(i)] != kOut) order.push_back(i);
  const auto logit = [&](int32_t i) -> float& { return logits[static_cast<size_t>(i)]; };
  std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return logit(a) < logit(b); });
  const float top = logit(order.back());
  std::vector<float> share;
  float sum = 0;
  for (const int32_t i : order) sum += share.emplace_back(std::exp(logit(i) - top));
  float below = 0;
  for (size_t i = 0; i + 1 < order.size(); ++i) {
    below += share[i] / sum;
    if (below > static_cast<float>(1 - p)) break;
    logit(order[i]) = kOut;
  }
}

}  // namespace

at::Tensor penalised(const at::Tensor& logits, std::span<const int64_t> previous, double penalty) {
  at::Tensor out = logits.to(at::kFloat).clone();
  if (penalty == 1) return out;
  const float* from = logits.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  for (const int64_t id : previous)  // from the old value: a token that was there twice is divided once
    if (id >= 0 && id < out.numel())
      to[id] = from[id] < 0 ? from[id] * static_cast<float>(penalty) : from[id] / static_cast<float>(penalty);
  return out;
}

at::Tensor probabilities(const at::Tensor& given, std::span<const int64_t> previous, const SamplingConfig& config) {
  const at::Tensor logits = given.to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor scores = penalised(logits, previous, config.repetition_penalty);
  const float* data = scores.const_data_ptr<float>();
  std::vector<float> left(data, data + scores.numel());
  if (config.temperature != 1)
    for (float& logit : left) logit /= static_cast<float>(config.temperature);
  keep_top_k(left, config.top_k);
  keep_top_p(left, config.top_p);
  return at::softmax(at::tensor(left, at::TensorOptions(at::kFloat)), 0);
}

void check(const SamplingConfig& config) {
  const auto is = [](bool good, const char* field, const auto& value, const char* allowed) {
    require(good, ErrorCode::invalid_argument, "{} must be {} (got {})", field, allowed, value);
  };
  if (config.do_sample)
    is(std::isfinite(config.temperature) && config.temperature > 0, "temperature", config.temperature, "above 0");
  is(config.top_k >= 0, "top_k", config.top_k, "at least 0");
  is(config.top_p > 0 && config.top_p <= 1, "top_p", config.top_p, "above 0 and at most 1");
  is(std::isfinite(config.repetition_penalty) && config.repetition_penalty > 0, "repetition_penalty",
     config.repetition_penalty, "above 0");
}

Sampler::Sampler(const SamplingConfig& config, uint64_t seed)
    : config_(config), generator_(at::detail::createCPUGenerator(seed)) {
  check(config);
}

Sampler::Sampler(const Sampler& other) : config_(other.config_), generator_(other.generator_.clone()) {}

Sampler& Sampler::operator=(const Sampler& other) {
  config_ = other.config_;
  generator_ = other.generator_.clone();
  return *this;
}

int64_t Sampler::next(const at::Tensor& logits, std::span<const int64_t> previous) {
  const at::Tensor own = logits.to(at::kCPU, at::kFloat).contiguous();
  require(std::isfinite(own.sum().item<float>()), ErrorCode::internal,
          "the language model's logits are not numbers; are its weights damaged?");
  if (!config_.do_sample) return at::argmax(penalised(own, previous, config_.repetition_penalty)).item<int64_t>();
  return at::multinomial(probabilities(own, previous, config_), 1, false, generator_).item<int64_t>();
}

}  // namespace rushes::qwen
