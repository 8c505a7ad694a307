#include "rushes/generation/sketch/generator.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace rushes::generation {
namespace {

struct Ink {
  const char* name;
  std::array<uint8_t, 3> rgb;
};
constexpr Ink kInks[] = {
    {"red", {220, 40, 40}}, {"green", {40, 170, 70}}, {"blue", {50, 80, 220}}, {"black", {20, 20, 20}}};

/// The one that the prompt names; else black.
const Ink& ink_of(const std::string& prompt) {
  for (const Ink& ink : kInks)
    if (prompt.find(ink.name) != std::string::npos) return ink;
  return std::end(kInks)[-1];
}

/// In pieces, each with the space behind it.
std::deque<std::string> words(const std::string& text) {
  std::deque<std::string> all(1);
  for (const char c : text) {
    all.back() += c;
    if (c == ' ') all.emplace_back();
  }
  return all;
}

}  // namespace

StepResult SketchGenerator::step(const Inbox& inbox) {
  if (inbox.prompt) next_prompt_ = inbox.prompt;
  StepResult result;
  if (!in_block_) begin_block(result);
  if (!to_say_.empty()) {
    result.events.push_back(TextChunk{.utf8 = to_say_.front(), .last = to_say_.size() == 1});
    to_say_.pop_front();
    return result;
  }
  result.events.push_back(draw());
  in_block_ = false;
  if (++block_ == plan_->blocks) result.outcome = StepOutcome::finished;
  return result;
}

void SketchGenerator::begin_block(StepResult& result) {
  in_block_ = true;
  std::string prompt = steered_ ? prompt_ : plan_->prompts[static_cast<std::size_t>(block_) % plan_->prompts.size()];
  if (next_prompt_) {
    prompt = *std::exchange(next_prompt_, std::nullopt);
    steered_ = true;
  }
  if (block_ > 0 && prompt == prompt_) return;
  prompt_ = prompt;
  result.events.push_back(PromptApplied{.prompt = prompt_, .segment = block_, .block = 0});
  to_say_ = words(fmt::format("{}A {} circle of radius {} moves {} pixels a frame.", block_ > 0 ? "\n" : "",
                              ink_of(prompt_).name, plan_->radius, plan_->speed));
}

FrameBlock SketchGenerator::draw() const {
  constexpr int64_t kSide = kSketchSide, kFrames = kSketchFramesPerBlock;
  const auto pixels = std::make_shared<std::vector<uint8_t>>(kFrames * kSide * kSide * 3);
  const Ink& ink = ink_of(prompt_);
  uint8_t* out = pixels->data();
  for (int64_t frame = kFrames * block_; frame < kFrames * (block_ + 1); ++frame) {
    const double way = static_cast<double>(plan_->seed % kSide) + plan_->speed * static_cast<double>(frame);
    const double centre = std::fmod(way, static_cast<double>(kSide));
    for (int64_t y = 0; y < kSide; ++y)
      for (int64_t x = 0; x < kSide; ++x) {
        const bool inside = std::hypot(static_cast<double>(x) - centre, static_cast<double>(y - kSide / 2)) <
                            static_cast<double>(plan_->radius);
        for (const uint8_t value : ink.rgb) *out++ = inside ? value : static_cast<uint8_t>(style_.paper);
      }
  }
  FrameBlock block;
  block.rgb = std::shared_ptr<const uint8_t>(pixels, pixels->data());
  block.video_frames = kFrames;
  block.height = block.width = kSide;
  block.fps = 16;
  block.first_video_frame = kFrames * block_;
  block.segment = block_;
  block.prompt = prompt_;
  return block;
}

}  // namespace rushes::generation
