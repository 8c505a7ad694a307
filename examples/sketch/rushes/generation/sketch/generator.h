// Says what it is going to draw, a word a step, then draws it, a block a step.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "rushes/generation/generator.h"
#include "rushes/generation/sketch/plan.h"

namespace rushes::generation {

/// What the files of a model say.
struct SketchStyle {
  int64_t paper = 255;  // grey of the ground
};

class SketchGenerator final : public Generator {
 public:
  SketchGenerator(SketchStyle style, std::unique_ptr<SketchPlan> plan) : style_(style), plan_(std::move(plan)) {}

  VideoFormat format() const override { return plan_->format(); }
  StepResult step(const Inbox& inbox) override;
  bool at_block_border() const override { return !in_block_; }
  std::unique_ptr<Generator> fork() const override { return std::make_unique<SketchGenerator>(*this); }
  int64_t bytes() const override { return 0; }

 private:
  void begin_block(StepResult& result);
  FrameBlock draw() const;

  const SketchStyle style_;
  const std::shared_ptr<const SketchPlan> plan_;  // shared with forks
  std::optional<std::string> next_prompt_;        // of a viewer: from the next block on, for good
  bool steered_ = false;                          // then the request's prompts are over
  std::string prompt_;
  std::deque<std::string> to_say_;
  bool in_block_ = false;
  int64_t block_ = 0;
};

}  // namespace rushes::generation
