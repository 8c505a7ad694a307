// A loaded Wan model: the parts that all its sessions share, and what a request must fulfil.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "rushes/generation/model.h"
#include "rushes/generation/wan/generator.h"
#include "rushes/generation/wan/plan.h"
#include "rushes/models/wan/autoencoder.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/models/wan/transformer.h"
#include "rushes/tensor/cpu_allocator.h"

namespace rushes::generation {

/// The text side of a model. Any thread.
struct PromptEncoder {
  std::function<at::Tensor(const std::string& prompt)> encode;  // [1, L, text_dim]
  int64_t tokens = 0;                                           // that it reads
  std::function<int64_t(std::string_view prompt)> count;        // tokens of all of the prompt

  /// As Model::ignored_in().
  std::vector<Ignored> ignored_in(std::string_view prompt, std::string_view field) const;
  /// Of a request's prompts; the first ones, where there are many.
  std::vector<Ignored> ignored_in(const std::vector<std::string>& prompts) const;
};

/// A prompt to what the transformer's cross-attention reads. Encodes each prompt once and keeps the newest. Any thread;
/// two threads may encode the same prompt at once, with the same result.
class PromptCache {
 public:
  using Encode = std::function<wan::TextContext(const std::string& prompt)>;
  explicit PromptCache(Encode encode, std::size_t capacity = 32) : encode_(std::move(encode)), capacity_(capacity) {}

  std::shared_ptr<const wan::TextContext> get(const std::string& prompt);

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const wan::TextContext>>;
  const Encode encode_;
  const std::size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // newest first
};

class WanModel final : public Model {
 public:
  /// `encoder` of first images may be null; `decoder` and `encoder` may be the same.
  WanModel(ModelCard card, wan::Defaults defaults, std::shared_ptr<const wan::CausalTransformer> transformer,
           std::shared_ptr<const wan::Autoencoder> decoder, std::shared_ptr<const wan::Autoencoder> encoder,
           PromptEncoder text);

  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override;
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<Plan> plan(const Request& request) const override;
  std::vector<Ignored> ignored_in(std::string_view prompt, std::string_view field) const override;
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override;
  void give_back_memory() const override { tensor::trim_cpu_memory(); }

  const wan::Defaults& defaults() const { return defaults_; }
  const WanLimits& limits() const { return limits_; }
  const std::shared_ptr<const WanParts>& parts() const { return parts_; }
  /// Makes one block at the default size, so that the first request finds kernels chosen and memory mapped.
  void warm_up() const;

 private:
  ModelCard card_;
  wan::Defaults defaults_;
  WanLimits limits_;
  std::vector<OptionField> options_;
  const PromptEncoder text_;
  std::shared_ptr<const WanParts> parts_;
};

}  // namespace rushes::generation
