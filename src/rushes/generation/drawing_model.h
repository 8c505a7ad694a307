// A model that draws instead of generating: a deterministic picture of prompt, seed and frame number. For the tests of
// everything above the models, which need to hold a step back, make it fail or count it.
#pragma once
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/generation/generator.h"

namespace rushes::generation {

class DrawingGenerator final : public Generator {
 public:
  struct Shape {
    int64_t height = 64, width = 64;
    double fps = 16;
    int64_t segments = 1, blocks_per_segment = 7, steps_per_block = 4, frames_per_block = 12;
  };
  /// `before_step` runs before each step and may wait or throw; it gets the request and the number of the step.
  using Hook = std::function<void(const VideoRequest&, int64_t)>;

  DrawingGenerator(VideoRequest request, Shape shape, Hook before_step)
      : request_(std::move(request)),
        shape_(shape),
        before_step_(std::move(before_step)),
        prompt_(request_.prompts.at(0)) {}

  VideoFormat format() const override {
    VideoFormat format{.height = shape_.height,
                       .width = shape_.width,
                       .fps = shape_.fps,
                       .video_frames = {},
                       .segments = shape_.segments,
                       .blocks_per_segment = shape_.blocks_per_segment,
                       .blocks_per_later_segment = shape_.blocks_per_segment};
    if (shape_.segments > 0)
      format.video_frames = shape_.segments * shape_.blocks_per_segment * shape_.frames_per_block;
    return format;
  }

  StepResult step(const Inbox& inbox) override {
    if (before_step_) before_step_(request_, steps_);
    ++steps_;
    if (inbox.prompt) next_prompt_ = *inbox.prompt;
    StepResult result;
    const int64_t segment = blocks_ / shape_.blocks_per_segment, block = blocks_ % shape_.blocks_per_segment;
    if (at_block_border()) {
      if (next_prompt_) prompt_ = *std::exchange(next_prompt_, std::nullopt);
      if (blocks_ == 0 || prompt_ != announced_) result.events.push_back(PromptApplied{prompt_, segment, block});
      announced_ = prompt_;
    }
    ++step_in_block_;
    result.events.push_back(BlockProgress{segment, block, step_in_block_, shape_.steps_per_block});
    if (step_in_block_ == shape_.steps_per_block) {
      result.events.push_back(draw(segment, block));
      step_in_block_ = 0;
      ++blocks_;
      if (shape_.segments > 0 && blocks_ == shape_.segments * shape_.blocks_per_segment)
        result.outcome = StepOutcome::finished;
    }
    return result;
  }

  bool at_block_border() const override { return step_in_block_ == 0; }
  std::unique_ptr<Generator> fork() const override { return std::make_unique<DrawingGenerator>(*this); }
  int64_t bytes() const override { return 1 << 20; }

 private:
  FrameBlock draw(int64_t segment, int64_t block) const {
    const int64_t frame_bytes = shape_.height * shape_.width * 3;
    const auto pixels =
        std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(frame_bytes * shape_.frames_per_block));
    const auto colour =
        static_cast<uint32_t>(std::hash<std::string>{}(prompt_) + static_cast<std::size_t>(request_.seed) * 7919);
    for (int64_t t = 0; t < shape_.frames_per_block; ++t) {
      const int64_t position = (blocks_ * shape_.frames_per_block + t) % shape_.width;
      for (int64_t i = 0; i < shape_.height * shape_.width; ++i) {
        const bool bar = (i % shape_.width - position + shape_.width) % shape_.width < shape_.width / 4;
        for (int64_t c = 0; c < 3; ++c)
          (*pixels)[static_cast<std::size_t>(t * frame_bytes + i * 3 + c)] =
              bar ? static_cast<uint8_t>(colour >> (8 * c)) : 32;
      }
    }
    FrameBlock drawn;
    drawn.rgb = std::shared_ptr<const uint8_t>(pixels, pixels->data());
    drawn.video_frames = shape_.frames_per_block;
    drawn.height = shape_.height;
    drawn.width = shape_.width;
    drawn.fps = shape_.fps;
    drawn.first_video_frame = blocks_ * shape_.frames_per_block;
    drawn.segment = segment;
    drawn.block = block;
    drawn.latent_frames = 3;
    drawn.prompt = prompt_;
    return drawn;
  }

  VideoRequest request_;
  Shape shape_;
  Hook before_step_;
  std::string prompt_, announced_;
  std::optional<std::string> next_prompt_;
  int64_t blocks_ = 0, step_in_block_ = 0, steps_ = 0;
};

class DrawingModel final : public Model {
 public:
  explicit DrawingModel(DrawingGenerator::Hook before_step = {}) : before_step_(std::move(before_step)) {}

  std::string name() const override { return "drawing"; }
  std::string description() const override { return "draws bars, for tests"; }
  std::unique_ptr<Generator> start(const VideoRequest& request) const override {
    return std::make_unique<DrawingGenerator>(request, shape(request), before_step_);
  }
  VideoFormat plan(const VideoRequest& request) const override {
    return DrawingGenerator(request, shape(request), {}).format();
  }

 private:
  static DrawingGenerator::Shape shape(const VideoRequest& request) {
    DrawingGenerator::Shape shape;
    shape.height = request.height.value_or(64);
    shape.width = request.width.value_or(64);
    require(shape.height % 16 == 0 && shape.height >= 16 && shape.height <= 512, ErrorCode::invalid_argument,
            "height must be a multiple of 16 from 16 to 512 (got {})", shape.height);
    require(shape.width % 16 == 0 && shape.width >= 16 && shape.width <= 512, ErrorCode::invalid_argument,
            "width must be a multiple of 16 from 16 to 512 (got {})", shape.width);
    shape.fps = request.fps.value_or(16);
    shape.segments = request.segments;
    return shape;
  }

  DrawingGenerator::Hook before_step_;
};

/// Lets a model's steps through one by one, as the test allows.
class Gate {
 public:
  void allow(std::ptrdiff_t steps) { permits_.release(steps); }
  void open() {
    open_ = true;
    permits_.release(1000);  // for those that wait already
  }
  DrawingGenerator::Hook hook() {
    return [this](const VideoRequest&, int64_t) {
      if (!open_) permits_.acquire();
    };
  }

 private:
  std::atomic<bool> open_ = false;
  std::counting_semaphore<> permits_{0};
};

}  // namespace rushes::generation
