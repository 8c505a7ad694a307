// A model that draws instead of generating: a deterministic picture of prompt, seed and frame number. For the tests of
// everything above the models, which need to hold a step back, make it fail or count it.
#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/generation/model.h"

namespace rushes::generation {

/// That a drawing needs, and holds.
inline constexpr int64_t kBytesOfDrawing = 1 << 20;

class DrawingGenerator final : public Generator {
 public:
  struct Shape {
    int64_t height = 64, width = 64;
    double fps = 16;
    int64_t segments = 1, blocks_per_segment = 7, steps_per_block = 4, frames_per_block = 12;
  };
  /// `before_step` runs before each step and may wait or throw; it gets the request and the number of the step.
  using Hook = std::function<void(const Request&, int64_t)>;

  DrawingGenerator(Request request, Shape shape, Hook before_step)
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
  int64_t bytes() const override { return kBytesOfDrawing; }

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

  Request request_;
  Shape shape_;
  Hook before_step_;
  std::string prompt_, announced_;
  std::optional<std::string> next_prompt_;
  int64_t blocks_ = 0, step_in_block_ = 0, steps_ = 0;
};

class DrawingModel final : public Model {
 public:
  explicit DrawingModel(DrawingGenerator::Hook before_step = {}, KnownWords words = {})
      : before_step_(std::move(before_step)) {
    card_.words = std::move(words);
  }

  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override {
    return {.takes = Modality::text,
            .needs = Modality::text,
            .feeds = Modality::text,
            .yields = Modality::video,
            .forks = true,
            .endless = true};
  }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<Plan> plan(const Request& request) const override {
    auto planned = std::make_unique<Planned>();
    planned->request = request;
    planned->request.options = checked(request.options, options_);
    planned->shape = shape(request);
    planned->working_bytes = kBytesOfDrawing;
    if (request.options.has("negative_prompt")) planned->ignored = {{"negative_prompt", "a drawing has no guidance"}};
    for (const std::string& prompt : request.prompts)
      for (Ignored& each : ignored_in(prompt, "prompt")) planned->ignored.push_back(std::move(each));
    return planned;
  }
  /// It reads 1000 bytes.
  std::vector<Ignored> ignored_in(std::string_view prompt, std::string_view field) const override {
    if (prompt.size() <= 1000) return {};
    return {{std::string(field), "only the first 1000 bytes are drawn"}};
  }
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override {
    auto& planned = dynamic_cast<Planned&>(*plan);
    return std::make_unique<DrawingGenerator>(std::move(planned.request), planned.shape, before_step_);
  }

 private:
  struct Planned final : Plan {
    Request request;
    DrawingGenerator::Shape shape;
    VideoFormat format() const override { return DrawingGenerator(request, shape, {}).format(); }
  };
  static DrawingGenerator::Shape shape(const Request& request) {
    require(!request.prompts.empty(), ErrorCode::invalid_argument, "prompts must have at least one prompt");
    require(!request.image, ErrorCode::unsupported, "image: this model does not accept images");
    DrawingGenerator::Shape shape;
    shape.height = request.height.value_or(64);
    shape.width = request.width.value_or(64);
    require(shape.height % 16 == 0 && shape.height >= 16 && shape.height <= 512, ErrorCode::invalid_argument,
            "height must be a multiple of 16 from 16 to 512 (got {})", shape.height);
    require(shape.width % 16 == 0 && shape.width >= 16 && shape.width <= 512, ErrorCode::invalid_argument,
            "width must be a multiple of 16 from 16 to 512 (got {})", shape.width);
    shape.fps = request.fps.value_or(16);
    check_numbers(request);
    shape.segments = request.video_frames ? request.segments.value_or(1) : segments_of(request);
    check_prompts_shown(request, shape.segments);
    return shape;
  }

  DrawingGenerator::Hook before_step_;
  ModelCard card_{.name = "drawing", .family = "drawing", .description = "draws bars, for tests"};
  // Taken and without effect: of requests that are meant for real models.
  const std::vector<OptionField> options_{
      {.name = "steps", .type = OptionType::integer, .doc = "steps", .standard = int64_t{4}, .least = 1, .most = 200},
      {.name = "solver", .type = OptionType::choice, .doc = "solver", .choices = {"few_step", "unipc"}},
      {.name = "guidance_scale", .doc = "guidance", .standard = 3.0, .least = 0, .most = 100},
      {.name = "timestep_shift", .doc = "shift", .standard = 5.0, .least = 0.01, .most = 100},
      {.name = "negative_prompt", .type = OptionType::text, .doc = "description of what to avoid", .most = 8192},
      {.name = "segment_length", .type = OptionType::integer, .doc = "length", .least = 1, .most = 252},
      {.name = "overlap", .type = OptionType::integer, .doc = "overlap", .least = 0, .most = 252},
      {.name = "denoising_steps",
       .type = OptionType::numbers,
       .doc = "steps",
       .least = 0,
       .most = 1000,
       .most_count = 200}};
};

/// Lets a model's steps through one by one, as the test allows.
class Gate {
 public:
  void allow(int64_t steps) {
    const std::scoped_lock lock(mutex_);
    allowed_ += steps;
    changed_.notify_all();
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// Returns when so many steps have come, those that went through included; false: they do not come.
  bool wait_for(int64_t steps) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return came_ >= steps; });
  }
  DrawingGenerator::Hook hook() {
    return [this](const Request&, int64_t) {
      std::unique_lock lock(mutex_);
      ++came_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return open_ || allowed_ > 0; });
      if (!open_) --allowed_;
    };
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int64_t allowed_ = 0, came_ = 0;
};

}  // namespace rushes::generation
