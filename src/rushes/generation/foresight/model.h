// A loaded Foresight model: the parts that all its sessions share, and what a request must fulfil.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rushes/generation/foresight/parts.h"
#include "rushes/generation/foresight/plan.h"
#include "rushes/generation/model.h"

namespace rushes::generation {

/// Immutable; any thread.
class ForesightModel final : public Model {
 public:
  /// `defaults` as of a model with both halves; where one is missing the other is what is made.
  ForesightModel(ModelCard card, const ForesightSettings& defaults, std::shared_ptr<const ForesightParts> parts);

  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override { return foresight_capabilities(shape_); }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<Plan> plan(const Request& request) const override;
  std::vector<Ignored> ignored_in(std::string_view prompt, std::string_view field) const override;
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override;
  void give_back_memory() const override;

  const std::shared_ptr<const ForesightParts>& parts() const { return parts_; }
  const ForesightSettings& defaults() const { return defaults_; }
  /// Answers a question about a grey picture, so that the first request finds kernels chosen and memory mapped, and
  /// the negative prompt read.
  void warm_up() const;

 private:
  int64_t working_bytes(const ForesightPlan& plan) const;

  ModelCard card_;
  ForesightSettings defaults_;
  ForesightShape shape_;
  std::vector<OptionField> options_;
  std::shared_ptr<const ForesightParts> parts_;
};

}  // namespace rushes::generation
