// For tests of OmniAvatar's protocols: a model of its family that draws.
#pragma once
#include <algorithm>
#include <cmath>

#include "rushes/media/audio_decoder.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/talk_test_server.h"

namespace rushes::server {

/// As loud as what is said, for as long as is asked for. Causal: block by block, so that guidance has no effect.
class DrawingAvatar final : public generation::Model {
 public:
  explicit DrawingAvatar(generation::DrawingTalker::Hook hook, bool causal = true)
      : drawing_(std::move(hook)), causal_(causal) {}
  const generation::ModelCard& card() const override { return card_; }
  generation::Capabilities capabilities() const override {
    using enum generation::Modality;
    return {
        .takes = text | image, .needs = {}, .feeds = audio, .yields = video | audio, .forks = true, .endless = true};
  }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<generation::Plan> plan(const generation::Request& request) const override {
    checked(request.options, options_);
    auto planned = std::make_unique<Planned>();
    generation::Request head;
    head.image = request.image ? request.image : grey();
    planned->inner = drawing_.plan(head);
    planned->working_bytes = planned->inner->working_bytes;
    planned->video_frames = request.video_frames;
    if (causal_ && request.options.has("guidance_scale"))
      planned->ignored = {{"guidance_scale", "blocks follow each other"}};
    if (request.image)
      planned->image_use = generation::ImageUse{.height = request.image->height,
                                                .width = request.image->width,
                                                .fit = "crop",
                                                .shown = generation::FaceBox{0, 0, 8, 8}};
    return planned;
  }
  std::unique_ptr<generation::Generator> start(std::unique_ptr<generation::Plan> plan) const override {
    auto& planned = dynamic_cast<Planned&>(*plan);
    return std::make_unique<Drawing>(planned.video_frames, drawing_.start(std::move(planned.inner)));
  }

 private:
  struct Planned final : generation::Plan {
    std::unique_ptr<generation::Plan> inner;
    std::optional<int64_t> video_frames;
    generation::VideoFormat format() const override {
      generation::VideoFormat format = inner->format();
      format.video_frames = video_frames;
      return format;
    }
  };
  /// Silence follows shorter speech.
  class Drawing final : public generation::Generator {
   public:
    Drawing(std::optional<int64_t> frames, std::unique_ptr<generation::Generator> inner)
        : frames_(frames), inner_(std::move(inner)) {}
    generation::VideoFormat format() const override { return inner_->format(); }
    generation::StepResult step(const generation::Inbox& given) override {
      generation::Inbox inbox = given;
      heard_ += static_cast<int64_t>(inbox.speech.size());
      const int64_t missing = frames_.value_or(0) * generation::DrawingTalker::kFrameSamples - heard_;
      if (inbox.end_of_speech && missing > 0)
        inbox.speech.resize(inbox.speech.size() + static_cast<std::size_t>(missing));
      return inner_->step(inbox);
    }
    bool at_block_border() const override { return true; }
    std::unique_ptr<generation::Generator> fork() const override {
      auto copy = std::make_unique<Drawing>(frames_, inner_->fork());
      copy->heard_ = heard_;
      return copy;
    }
    int64_t bytes() const override { return inner_->bytes(); }

   private:
    const std::optional<int64_t> frames_;
    const std::unique_ptr<generation::Generator> inner_;
    int64_t heard_ = 0;
  };

  static Image grey() {
    const auto pixels = std::make_shared<std::vector<uint8_t>>(3 * 64 * 64, uint8_t{128});
    return {.rgb = {pixels, pixels->data()}, .height = 64, .width = 64};
  }

  const generation::DrawingTalkModel drawing_;
  const bool causal_;
  const generation::ModelCard card_{
      .name = "drawing-avatar", .family = "omniavatar", .description = "draws", .is_small = true};
  const std::vector<OptionField> options_{
      {.name = "steps", .type = OptionType::integer, .doc = "steps", .standard = int64_t{4}, .least = 1, .most = 200},
      {.name = "guidance_scale", .doc = "guidance", .standard = 4.5, .least = 0, .most = 100}};
};

class AvatarServer : public TalkServer {
 protected:
  static std::unique_ptr<RunningServer> serve(const std::function<void(ServerOptions&)>& change = {},
                                              generation::DrawingTalker::Hook hook = {}, bool causal = true) {
    const auto model = std::make_shared<const DrawingAvatar>(std::move(hook), causal);
    return std::make_unique<RunningServer>(
        [&](ServerOptions& options) {
          options.listen = {"127.0.0.1:0=omniavatar"};
          options.sweep = std::chrono::milliseconds(20);
          if (change) change(options);
        },
        std::vector<ModelSource>{
            {.name = "avatars", .load = [model] { return model; }, .family = "omniavatar", .at_start = true}});
  }
  static std::string base64(const std::string& bytes) {
    return encode_base64({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  /// A sawtooth of this length, as a WAV file.
  static std::string speech(double seconds, int64_t hz = 16'000) {
    return media::wav_file(media::test_audio(static_cast<std::size_t>(seconds * static_cast<double>(hz))),
                           static_cast<int>(hz));
  }
  static json wanted(double seconds, json more = json::object()) {
    json body{
        {"prompt", "a man speaks"}, {"audio_base64", base64(speech(seconds))}, {"image_base64", base64(picture())}};
    body.update(more);
    return body;
  }
  static Reply ask(const RunningServer& server, const std::string& path, const json& body) {
    return server.request("POST", path, body.dump(), "Content-Type: application/json\r\n");
  }
};

/// Blocks wait until it is opened.
struct AvatarGate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  generation::DrawingTalker::Hook hook() {
    return [this](const generation::Request&) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return open; });
    };
  }
  void let_go() {
    const std::scoped_lock lock(mutex);
    open = true;
    changed.notify_all();
  }
};

}  // namespace rushes::server
