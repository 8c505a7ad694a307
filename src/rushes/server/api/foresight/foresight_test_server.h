// For tests of Foresight's protocols: a model of its family that draws and says what it was asked to, and the clients'
// side of its WebSockets.
#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "rushes/server/http/base64.h"
#include "rushes/server/talk_test_server.h"
#include "rushes/server/websocket_test_peer.h"

namespace rushes::server {

/// One event a step. The prompt may have it that "no words" or "no video" can be made, or "nothing"; or that it "talks
/// long" after the video.
class DrawingForeseer final : public generation::Generator {
 public:
  static constexpr int64_t kSide = 64, kFrames = 6, kSteps = 5;
  static constexpr double kFps = 15;
  using Hook = std::function<void(const generation::Request&, int64_t)>;

  DrawingForeseer(generation::Request request, generation::VideoFormat format, bool with_video, Hook hook)
      : request_(std::move(request)), format_(std::move(format)), with_video_(with_video), hook_(std::move(hook)) {
    prompt_ = request_.prompts.empty() ? "describe it" : request_.prompts.front();
    write();
  }

  generation::VideoFormat format() const override { return format_; }
  generation::StepResult step(const generation::Inbox&) override {
    if (hook_) hook_(request_, steps_);
    ++steps_;
    require(!says("nothing"), ErrorCode::internal, "the model is broken");
    generation::StepResult result;
    result.events.push_back(script_.front());
    script_.pop_front();
    if (script_.empty()) result.outcome = generation::StepOutcome::finished;
    return result;
  }
  bool at_block_border() const override { return true; }
  std::unique_ptr<generation::Generator> fork() const override { fail(ErrorCode::unsupported, "no forks"); }
  int64_t bytes() const override { return 1 << 10; }

 private:
  bool says(const char* words) const { return prompt_.find(words) != std::string::npos; }
  static std::shared_ptr<const uint8_t> pixels(int64_t frames, uint8_t shade) {
    const auto bytes =
        std::make_shared<std::vector<uint8_t>>(static_cast<std::size_t>(frames * kSide * kSide * 3), shade);
    return {bytes, bytes->data()};
  }
  void write() {
    using namespace generation;
    const std::vector<std::string> words{"a ", "red ", "ball ",
                                         "\xC3\xBC"
                                         "ber ",
                                         "falls"};
    std::size_t said = 0;
    const auto say = [&] {
      if (said < words.size() && !says("no words")) script_.push_back(TextChunk{.utf8 = words[said++]});
    };
    if (says("no words")) script_.push_back(TrackFailed{Track::text, ErrorCode::internal, "out of words"});
    say();
    if (with_video_) {
      script_.push_back(PromptApplied{prompt_, 0, 0, "ltx_condition"});
      script_.push_back(
          PreviewFrames{.rgb = pixels(1, 40), .video_frames = 1, .height = kSide, .width = kSide, .steps = kSteps});
      const int64_t interval = request_.options.get<int64_t>("previews").value_or(0);
      for (int64_t step = 1; step <= kSteps; ++step) {
        script_.push_back(BlockProgress{0, 0, step, kSteps});
        if (interval > 0 && step < kSteps && step % interval == 0)
          script_.push_back(PreviewFrames{.rgb = pixels(*format_.video_frames, 60),
                                          .video_frames = *format_.video_frames,
                                          .height = kSide,
                                          .width = kSide,
                                          .step = step,
                                          .steps = kSteps});
        if (!says("talks long")) say();
      }
      if (says("no video")) {
        script_.push_back(TrackFailed{Track::video, ErrorCode::internal, "out of paint"});
      } else {
        FrameBlock block{.rgb = pixels(*format_.video_frames, 80)};
        block.video_frames = *format_.video_frames;
        block.height = block.width = kSide;
        block.fps = format_.fps;
        block.prompt = prompt_;
        script_.push_back(std::move(block));
      }
    }
    while (said < words.size() && !says("no words")) say();
    if (!says("no words")) script_.push_back(TextChunk{.utf8 = "", .last = true});
  }

  const generation::Request request_;
  const generation::VideoFormat format_;
  const bool with_video_;
  const Hook hook_;
  std::string prompt_;
  std::deque<generation::Event> script_;
  int64_t steps_ = 0;
};

class DrawingForesight final : public generation::Model {
 public:
  explicit DrawingForesight(DrawingForeseer::Hook hook = {}) : hook_(std::move(hook)) {}

  const generation::ModelCard& card() const override { return card_; }
  generation::Capabilities capabilities() const override {
    using generation::Modality;
    return {.takes = Modality::text | Modality::image,
            .needs = {},
            .feeds = {},
            .yields = Modality::text | Modality::video,
            .pictures = {.max_bytes = 10 << 20}};
  }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<generation::Plan> plan(const generation::Request& request) const override {
    auto planned = std::make_unique<Planned>();
    planned->request = request;
    planned->request.options = checked(request.options, options_);
    generation::check_numbers(request);
    if (!request.prompts.empty()) generation::check_prompts(request.prompts);
    planned->with_video = request.options.get<std::string>("tracks").value_or("both") != "text";
    if (request.image && planned->with_video)
      planned->image_use =
          generation::ImageUse{.height = request.image->height,
                               .width = request.image->width,
                               .fit = "crop",
                               .shown = generation::FaceBox{0, 0, static_cast<double>(request.image->width),
                                                            static_cast<double>(request.image->height)}};
    if (!request.prompts.empty())
      require(request.prompts.front().find("many tokens") == std::string::npos, ErrorCode::too_large,
              "the prompt has 9000 tokens; the model reads at most 4095");
    if (!planned->with_video && request.video_frames) planned->ignored.push_back({"frames", "only words are made"});
    planned->working_bytes = generation::kBytesOfDrawing;
    planned->warnings =
        card_.trained_for.warnings({DrawingForeseer::kSide, DrawingForeseer::kSide}, *planned->format().video_frames);
    return planned;
  }
  std::unique_ptr<generation::Generator> start(std::unique_ptr<generation::Plan> plan) const override {
    auto& planned = dynamic_cast<Planned&>(*plan);
    return std::make_unique<DrawingForeseer>(planned.request, planned.format(), planned.with_video, hook_);
  }

 private:
  struct Planned final : generation::Plan {
    generation::Request request;
    bool with_video = true;
    generation::VideoFormat format() const override {
      return {.height = DrawingForeseer::kSide,
              .width = DrawingForeseer::kSide,
              .fps = request.fps.value_or(DrawingForeseer::kFps),
              .video_frames = with_video ? request.video_frames.value_or(DrawingForeseer::kFrames) : 0,
              .segments = 1,
              .blocks_per_segment = with_video ? 1 : 0,
              .blocks_per_later_segment = with_video ? 1 : 0};
    }
  };

  const DrawingForeseer::Hook hook_;
  const generation::ModelCard card_{.name = "drawing-foresight",
                                    .family = "foresight",
                                    .description = "draws and talks",
                                    .trained_for = {.sizes = {{DrawingForeseer::kSide, DrawingForeseer::kSide}},
                                                    .video_frames = DrawingForeseer::kFrames},
                                    .words = {.phrases = {"What will happen", "ball"}},
                                    .is_small = true};
  const std::vector<OptionField> options_{
      {.name = "tracks", .type = OptionType::choice, .doc = "what is made", .choices = {"both", "text", "video"}},
      {.name = "preset", .type = OptionType::choice, .doc = "size", .choices = {"256", "512", "768"}},
      {.name = "previews", .type = OptionType::integer, .doc = "interval", .least = 0, .most = 200}};
};

inline std::string test_picture_base64(int64_t width = 40, int64_t height = 30) {
  const media::Bytes png = media::encode_png(media::test_frame(width, height, 3).data(), width, height);
  return encode_base64(png);
}

class ForesightServer : public testing::Test {
 protected:
  std::unique_ptr<RunningServer> start(const std::function<void(ServerOptions&)>& change = {},
                                       DrawingForeseer::Hook hook = {}) {
    const auto model = std::make_shared<DrawingForesight>(std::move(hook));
    std::vector<ModelSource> sources;
    sources.push_back({.name = "foreseer", .load = [model] { return model; }, .family = "foresight", .at_start = true});
    return std::make_unique<RunningServer>(
        [&](ServerOptions& options) {
          options.listen = {"127.0.0.1:0=foresight"};
          options.sweep = std::chrono::milliseconds(20);
          options.sessions.lanes = 2;
          if (change) change(options);
        },
        std::move(sources));
  }
  static Reply post(const RunningServer& server, const std::string& path, const json& body) {
    return server.request("POST", path, body.dump(), "Content-Type: application/json\r\n");
  }
  static json question(const std::string& id, const std::string& text, bool with_picture = true) {
    json message{{"message", text}, {"messageId", id}};
    if (with_picture) message["imageBase64"] = test_picture_base64();
    return message;
  }
  /// Of a prediction.
  static std::string predict(const RunningServer& server, const std::string& prompt, json more = json::object()) {
    more.update({{"image", test_picture_base64()}, {"prompt", prompt}});
    const Reply reply = post(server, "/api/predict", more);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.status == 200 ? reply.json()["session_id"].get<std::string>() : std::string();
  }

  struct Heard {
    std::vector<json> messages;
    int close_code = 0;
    std::string close_reason = {};
    std::vector<json> of(const std::string& type) const {
      std::vector<json> found;
      for (const json& each : messages)
        if (each["type"] == type) found.push_back(each);
      return found;
    }
  };
  /// All until the close.
  static Heard hear_all(TestClient& client) {
    Heard heard;
    Frame frame = client.read_message();
    for (; frame.opcode == 1; frame = client.read_message()) heard.messages.push_back(json::parse(frame.payload));
    heard.close_code = frame.opcode == 8 ? frame.close_code() : -1;
    if (frame.opcode == 8 && frame.payload.size() > 2) heard.close_reason = frame.payload.substr(2);
    return heard;
  }
  static Heard follow(const RunningServer& server, const std::string& id) {
    TestClient client(server.port());
    EXPECT_EQ(client.upgrade("/api/ws/" + id).status, 101);
    return hear_all(client);
  }
};

}  // namespace rushes::server
