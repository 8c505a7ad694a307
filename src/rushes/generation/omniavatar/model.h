// A loaded OmniAvatar model: the parts that all its sessions share, and what a request must fulfil.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rushes/generation/model.h"
#include "rushes/generation/omniavatar/parts.h"
#include "rushes/generation/omniavatar/plan.h"
#include "rushes/generation/wan/model.h"

namespace rushes::generation {

/// Immutable; any thread.
class OmniAvatarModel final : public Model {
 public:
  /// `parts`: all but the context. Throws Error(corrupt_data) for parts that do not fit each other, Error(unsupported).
  OmniAvatarModel(ModelCard card, const OmniAvatarSettings& defaults, OmniAvatarParts parts, PromptEncoder text);

  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override { return omniavatar_capabilities(); }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<Plan> plan(const Request& request) const override;
  std::vector<Ignored> ignored_in(std::string_view prompt, std::string_view field) const override {
    return text_.ignored_in(prompt, field);
  }
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override;
  void prepare(std::span<const Waiting> together) const override;
  void give_back_memory() const override;

  const std::shared_ptr<const OmniAvatarParts>& parts() const { return parts_; }
  const OmniAvatarSettings& defaults() const { return defaults_; }
  /// Makes a block without speech, so that the first request finds kernels chosen and memory mapped.
  void warm_up() const;

 private:
  ModelCard card_;
  OmniAvatarSettings defaults_;
  OmniAvatarShape shape_;
  std::vector<OptionField> options_;
  const PromptEncoder text_;
  std::shared_ptr<const OmniAvatarParts> parts_;
};

}  // namespace rushes::generation
