// For tests of Ditto's protocol: a model of its family that draws, and the client's side of its WebSocket.
#pragma once
#include "rushes/server/talk_test_server.h"
#include "rushes/server/websocket_test_peer.h"

namespace rushes::server {

/// Draws, and knows a few of Ditto's options.
class DrawingDitto final : public generation::Model {
 public:
  explicit DrawingDitto(generation::DrawingTalker::Hook hook) : drawing_(std::move(hook)) {}
  const generation::ModelCard& card() const override { return card_; }
  generation::Capabilities capabilities() const override { return drawing_.capabilities(); }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<generation::Plan> plan(const generation::Request& request) const override {
    const Options given = checked(request.options, options_);
    generation::Request known = request;
    known.video_frames = {};
    known.options = {};
    if (const auto shade = given.get<double>("shade")) known.options.set("shade", *shade);
    if (const auto online = given.get<bool>("online_mode")) known.options.set("online_mode", *online);
    return drawing_.plan(known);
  }
  std::unique_ptr<generation::Generator> start(std::unique_ptr<generation::Plan> plan) const override {
    return drawing_.start(std::move(plan));
  }

 private:
  const generation::DrawingTalkModel drawing_;
  const generation::ModelCard card_{
      .name = "drawing-ditto", .family = "ditto", .description = "draws", .is_small = true};
  const std::vector<OptionField> options_{
      {.name = "emo", .type = OptionType::text, .doc = "emotion", .most = 100, .live = true, .json = true},
      {.name = "shade", .doc = "darkens", .standard = 0.0, .least = 0, .most = 1, .live = true},
      {.name = "online_mode", .type = OptionType::boolean, .doc = "frames follow speech", .standard = true},
      {.name = "chunksize",
       .type = OptionType::numbers,
       .doc = "pieces",
       .most = 10,
       .least_count = 3,
       .most_count = 3},
      {.name = "emit_tail", .type = OptionType::boolean, .doc = "tail", .standard = false}};
};

struct Peer : WebSocketPeer {
  explicit Peer(const RunningServer& server, const std::string& path = "/ws/ada") : WebSocketPeer(server, path) {}
};

}  // namespace rushes::server
