// A talking head that draws instead of generating: each frame is as bright as its speech is loud. For the tests of
// everything above the models; frames and sound add up as with a real one. With a driving video each frame has the
// colour of the video's first pixel.
#pragma once
#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rushes/audio/chunk_buffer.h"
#include "rushes/base/error.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/generation/driving_sound.h"
#include "rushes/generation/model.h"

namespace rushes::generation {

class DrawingTalker final : public Generator {
 public:
  static constexpr int64_t kSide = 64, kHz = 16'000, kFrameSamples = 640, kBlockFrames = 5, kSegmentFrames = 50;
  /// `before_block` runs before each block and may wait or throw.
  using Hook = std::function<void(const Request&)>;

  DrawingTalker(const Request& request, Hook before_block)
      : request_(request),
        before_block_(std::move(before_block)),
        windows_(audio::ChunkBuffer::Options::of_seconds(request.options.get<double>("chunk_duration").value_or(1.0),
                                                         kHz)) {}

  static bool is_aligned(const Request& request) {
    return request.options.get<std::string>("mode").value_or("aligned") == "aligned";
  }
  static Hearing hearing_of(const Request& request) {
    return request.options.get<bool>("online_mode").value_or(true) ? Hearing::as_it_comes : Hearing::whole;
  }
  static VideoFormat format_of(const Request& request) {
    if (const auto& driving = request.video)
      return {.height = kSide,
              .width = kSide,
              .fps = driving->fps(),
              .video_frames = {},
              .audio_hz = driving->audio_hz(),
              .speech_hz = 0};
    return {.height = kSide,
            .width = kSide,
            .fps = 25,
            .video_frames = {},
            .audio_hz = is_aligned(request) ? kHz : 0,
            .speech_hz = kHz,
            .hearing = hearing_of(request)};
  }
  VideoFormat format() const override { return format_of(request_); }

  StepResult step(const Inbox& inbox) override {
    if (request_.video) return follow();
    const bool aligned = is_aligned(request_);
    ended_ = ended_ || inbox.end_of_speech;
    shade_ = inbox.options.get<double>("shade").value_or(shade_);
    std::size_t begin = 0;
    const auto hear = [&](std::size_t end, bool is_end) {
      const std::vector<float> piece(inbox.speech.begin() + static_cast<std::ptrdiff_t>(begin),
                                     inbox.speech.begin() + static_cast<std::ptrdiff_t>(end));
      begin = end;
      if (aligned) {
        waiting_.insert(waiting_.end(), piece.begin(), piece.end());
        return;
      }
      auto windows = windows_.feed(piece);
      if (is_end)
        if (auto rest = windows_.flush()) windows.push_back(std::move(*rest));
      for (auto& window : windows) {
        window.resize((window.size() + kFrameSamples - 1) / kFrameSamples * kFrameSamples);
        waiting_.insert(waiting_.end(), window.begin(), window.end());
      }
    };
    for (const std::size_t end : inbox.utterance_ends) {
      hear(end, true);
      waiting_.resize((waiting_.size() + kFrameSamples - 1) / kFrameSamples * kFrameSamples);
      utterance_ends_.push_back(static_cast<int64_t>(waiting_.size()));
    }
    hear(inbox.speech.size(), inbox.end_of_speech);
    StepResult result;
    if (!ended_ && hearing_of(request_) == Hearing::whole) {
      result.outcome = StepOutcome::needs_input;
      return result;
    }
    const bool has_end = !utterance_ends_.empty();
    const auto samples = has_end ? utterance_ends_.front() : static_cast<int64_t>(waiting_.size());
    int64_t count = std::min(kBlockFrames, kSegmentFrames - (frames_ - utterance_begin_) % kSegmentFrames);
    if (samples < count * kFrameSamples) {
      if (!ended_ && !has_end && (aligned || samples == 0)) {
        result.outcome = StepOutcome::needs_input;
        return result;
      }
      count = (samples + kFrameSamples - 1) / kFrameSamples;
    }
    if (count > 0) {
      if (before_block_) before_block_(request_);
      result.events.push_back(draw(count));
    }
    if (has_end && utterance_ends_.front() == 0) {
      utterance_ends_.pop_front();
      utterance_begin_ = frames_;
      result.events.push_back(UtteranceEnded{});
    }
    if (ended_ && waiting_.empty()) result.outcome = StepOutcome::finished;
    return result;
  }

  bool at_block_border() const override { return true; }
  std::unique_ptr<Generator> fork() const override { return std::make_unique<DrawingTalker>(*this); }
  int64_t bytes() const override { return kBytesOfDrawing; }

 private:
  StepResult follow() {
    StepResult result;
    const auto picture = request_.video->frame(frames_);
    if (!picture) {
      result.outcome = StepOutcome::finished;
      return result;
    }
    if (before_block_) before_block_(request_);
    const auto pixels = std::make_shared<std::vector<uint8_t>>();
    for (int64_t i = 0; i < kSide * kSide; ++i)
      pixels->insert(pixels->end(), picture->rgb.get(), picture->rgb.get() + 3);
    FrameBlock block = block_of(pixels, 1, request_.video->fps());
    block.audio = audio_of(*request_.video, frames_, 1);
    ++frames_;
    result.events.push_back(std::move(block));
    return result;
  }

  FrameBlock block_of(const std::shared_ptr<std::vector<uint8_t>>& pixels, int64_t count, double fps) {
    FrameBlock block;
    block.rgb = std::shared_ptr<const uint8_t>(pixels, pixels->data());
    block.video_frames = count;
    block.height = block.width = kSide;
    block.fps = fps;
    block.first_video_frame = frames_;
    block.block = blocks_++;
    return block;
  }

  FrameBlock draw(int64_t count) {
    const int64_t frame_bytes = kSide * kSide * 3;
    const auto pixels = std::make_shared<std::vector<uint8_t>>();
    for (int64_t t = 0; t < count; ++t) {
      float peak = 0;
      for (int64_t i = t * kFrameSamples;
           i < std::min<int64_t>((t + 1) * kFrameSamples, static_cast<int64_t>(waiting_.size())); ++i)
        peak = std::max(peak, std::abs(waiting_[static_cast<std::size_t>(i)]));
      pixels->insert(pixels->end(), static_cast<std::size_t>(frame_bytes),
                     static_cast<uint8_t>((32 + 200 * std::min(peak, 1.0f)) * (1 - shade_)));
    }
    const auto used =
        waiting_.begin() + std::min<int64_t>(count * kFrameSamples, static_cast<int64_t>(waiting_.size()));
    FrameBlock block = block_of(pixels, count, 25);
    if (is_aligned(request_))
      block.audio = {std::make_shared<const std::vector<float>>(waiting_.begin(), used), frames_ * kFrameSamples, kHz};
    for (int64_t& end : utterance_ends_) end = std::max<int64_t>(0, end - (used - waiting_.begin()));
    waiting_.erase(waiting_.begin(), used);
    frames_ += count;
    return block;
  }

  Request request_;
  Hook before_block_;
  audio::ChunkBuffer windows_;
  std::vector<float> waiting_;
  std::deque<int64_t> utterance_ends_;  // samples of waiting_ up to each
  bool ended_ = false;
  double shade_ = request_.options.get<double>("shade").value_or(0);
  int64_t frames_ = 0, blocks_ = 0, utterance_begin_ = 0;
};

class DrawingTalkModel final : public Model, public FaceCrop {
 public:
  explicit DrawingTalkModel(DrawingTalker::Hook before_block = {}) : before_block_(std::move(before_block)) {}
  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override {
    return {.takes = Modality::image | Modality::video,
            .needs = Modality::image,
            .feeds = Modality::audio,
            .yields = Modality::video | Modality::audio,
            .forks = true,
            .endless = true};
  }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<Plan> plan(const Request& request) const override {
    require(request.image.has_value(), ErrorCode::invalid_argument, "image is missing");
    require(request.prompts.empty(), ErrorCode::unsupported, "prompt: this model does not accept text");
    require(!request.video_frames && request.segments.value_or(1) <= 1, ErrorCode::unsupported,
            "segments and frames cannot be set: the length follows the speech");
    require(!request.width && !request.height, ErrorCode::unsupported,
            "size cannot be set: this model generates {0}x{0}", DrawingTalker::kSide);
    require(!request.fps || request.video || *request.fps == 25, ErrorCode::unsupported,
            "fps cannot be changed: this model generates 25 frames per second");
    auto planned = std::make_unique<Planned>();
    planned->request = request;
    planned->working_bytes = kBytesOfDrawing;
    planned->request.options = checked(request.options, options_);
    const FaceChoice choice = face_choice(planned->request.options, request.image->height, request.image->width);
    const std::vector<FaceBox> faces = request.faces.value_or(std::vector<FaceBox>());
    planned->image_use = ImageUse{.height = request.image->height,
                                  .width = request.image->width,
                                  .faces = faces,
                                  .face = request.faces ? chosen_face(choice, faces) : choice.box};
    return planned;
  }
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override {
    return std::make_unique<DrawingTalker>(dynamic_cast<Planned&>(*plan).request, before_block_);
  }
  bool finds_faces() const override { return finds_faces_; }
  std::vector<FaceBox> faces(const Image&) const override { return {}; }
  int64_t side() const override { return DrawingTalker::kSide; }
  bool crops(const Request& request) const override {
    return request.options.get<bool>("crop").value_or(true) && DrawingTalker::is_aligned(request);
  }
  /// As a model without a face detector.
  void leave_faces_to_others() { finds_faces_ = false; }
  /// One colour: that of the picture's first pixel.
  Image crop(const Request& request, int64_t side) const override {
    const FaceChoice choice = face_choice(request.options, request.image->height, request.image->width);
    chosen_face(choice, request.faces.value_or(std::vector<FaceBox>()));
    const auto pixels = std::make_shared<std::vector<uint8_t>>();
    for (int64_t i = 0; i < side * side; ++i)
      pixels->insert(pixels->end(), request.image->rgb.get(), request.image->rgb.get() + 3);
    return {.rgb = {pixels, pixels->data()}, .height = side, .width = side};
  }

 private:
  struct Planned final : Plan {
    Request request;
    VideoFormat format() const override { return DrawingTalker::format_of(request); }
  };
  static OptionField numbers(const char* name, std::size_t count) {
    return {.name = name,
            .type = OptionType::numbers,
            .doc = name,
            .least = -100'000,
            .most = 100'000,
            .least_count = count,
            .most_count = count};
  }

  DrawingTalker::Hook before_block_;
  bool finds_faces_ = true;
  const ModelCard card_{
      .name = "drawing-talk", .family = "drawing", .description = "draws loudness, for tests", .is_small = true};
  const std::vector<OptionField> options_{
      {.name = "mode", .type = OptionType::choice, .doc = "mode", .choices = {"aligned", "reference"}},
      {.name = "chunk_duration", .doc = "seconds", .standard = 1.0, .least = 0.04, .most = 10},
      {.name = "online_mode", .type = OptionType::boolean, .doc = "frames follow speech", .standard = true},
      {.name = "crop", .type = OptionType::boolean, .doc = "crop", .standard = true},
      {.name = "crop_scale", .doc = "crop scale", .standard = 0.8, .least = 0.1, .most = 4},
      {.name = "nfe",
       .type = OptionType::integer,
       .doc = "time points",
       .least = 2,
       .most = 1000,
       .aliases = {"steps"}},
      {.name = "cfg_scale", .doc = "guidance", .least = 0, .most = 20},
      face_option(),
      {.name = "shade", .doc = "darkens", .standard = 0.0, .least = 0, .most = 1, .live = true},
      numbers("pose_style", 3),
      numbers("gaze_style", 2)};
};

}  // namespace rushes::generation
