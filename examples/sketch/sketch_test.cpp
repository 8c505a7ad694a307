// A family that the product does not have, from its files to what its clients see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/generation/registry.h"
#include "rushes/media/test_video.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kModel = RUSHES_SOURCE_DIR "/examples/sketch/model";
constexpr const char* kWords = "A red circle of radius 20 moves 2 pixels a frame.";

/// As `rushes serve --model DIR` has it.
ModelSource source() {
  ModelSource source{"sketch", [] { return generation::load_model({.path = kModel}); }};
  source.at_start = true;
  return source;
}

/// With a second model, which is its default.
class Sketch : public testing::Test {
 protected:
  Reply post(const std::string& path, const std::string& body) const { return server_.request("POST", path, body); }
  std::size_t frames(const std::string& path) const {
    const std::string mp4 = server_.request("GET", path).body;
    return media::decode_bytes("sketch_test.mp4", media::Bytes(mp4.begin(), mp4.end())).size();
  }

  RunningServer server_{{}, {source()}};
};

TEST(SketchFamily, is_recognised_by_its_manifest_and_loaded) {
  const auto model = generation::load_model({.path = kModel});
  EXPECT_EQ(model->card().name, "sketch");
  EXPECT_EQ(model->card().family, "sketch");
  EXPECT_TRUE(generation::family_named("sketch").recognise(kModel));
  EXPECT_FALSE(generation::family_named("wan").recognise(kModel));
}

TEST_F(Sketch, is_listed_with_what_it_takes_and_yields_and_its_options) {
  const json models = server_.request("GET", "/v1/models").json();
  const json& model = models.at("models").at(1);
  EXPECT_EQ(model["name"], "sketch");
  EXPECT_EQ(model["family"], "sketch");
  EXPECT_EQ(model["capabilities"]["yields"], (json{"text", "video"}));
  const json& radius = model.at("options").at(0);
  EXPECT_EQ(radius["name"], "radius");
  EXPECT_EQ(radius["least"], 2);
  EXPECT_EQ(radius["most"], 30);
}

TEST_F(Sketch, says_what_it_draws_before_its_frames_and_gives_both_out) {
  const std::string id =
      server_.create(R"({"model": "sketch", "prompt": "a red circle", "radius": 20, "segments": 3})");
  std::string order, text;
  for (const json& event : server_.events(id)) {
    if (event["type"] == "text_chunk") {
      text += event["text"].get<std::string>();
      order += event["last"] == true ? 'T' : 't';
    }
    if (event["type"] == "frame_block") order += 'F';
  }
  EXPECT_EQ(text, kWords);
  EXPECT_EQ(order, "ttttttttttTFFF");
  const json session = server_.status(id);
  EXPECT_EQ(session["state"], "finished");
  EXPECT_EQ(session["text"], kWords);
  EXPECT_EQ(frames("/v1/sessions/" + id + "/video.mp4"), 24u);
  EXPECT_THAT(server_.request("GET", "/v1/sessions/" + id + "/stream.sse?video=none").body,
              HasSubstr("event: text_chunk"));
  EXPECT_THAT(server_.request("GET", "/v1/sessions/" + id + "/stream.ndjson?video=none").body,
              HasSubstr(R"("type":"text_chunk","text":"A ","last":false)"));
}

TEST_F(Sketch, refuses_what_it_does_not_take_and_names_the_field) {
  const struct {
    const char *fields, *words;
  } cases[] = {{R"("radius": 31)", "radius must be an integer from 2 to 30"},
               {R"("radius": "large")", "radius"},
               {R"("speed": -1)", "speed must be a number from 0 to 16"},
               {R"("strokes": 3)", "strokes"},
               {R"("size": "128x128")", "size"},
               {R"("frames": 9)", "frames"}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.fields);
    const Reply reply =
        post("/v1/sessions", fmt::format(R"({{"model": "sketch", "prompt": "a red circle", {}}})", each.fields));
    EXPECT_EQ(reply.status, 400);
    EXPECT_THAT(reply.body, HasSubstr(each.words));
  }
}

TEST_F(Sketch, has_a_route_of_its_own_that_tells_text_and_video_as_they_come) {
  const Reply reply = post("/sketch", R"({"prompt": "a red circle", "radius": 20})");
  EXPECT_EQ(reply.status, 200) << reply.body;
  std::vector<json> lines;
  std::istringstream body(reply.body);
  for (std::string line; std::getline(body, line);) lines.push_back(json::parse(line));
  ASSERT_EQ(lines.size(), 14u);
  EXPECT_EQ(lines[1], (json{{"say", "A "}}));
  EXPECT_EQ(lines[12], (json{{"drawn", 8}}));
  EXPECT_EQ(lines[13], (json{{"end", "finished"}}));
  EXPECT_EQ(frames(lines[0]["video"]), 8u);
  EXPECT_EQ(post("/sketch", R"({"prompt": "a red circle", "radius": 31})").status, 400);
  EXPECT_THAT(post("/sketch", R"({"prompt": "a red circle", "speed": 3})").body, HasSubstr("speed"));
}

TEST(SketchRestart, leaves_the_text_of_its_sessions) {
  const ScratchFolder data;
  const auto start = [&] {
    return std::make_unique<RunningServer>([&](ServerOptions& options) { options.data_directory = data.path; },
                                           std::vector<ModelSource>{source()});
  };
  auto server = start();
  const std::string id = server->create(R"({"model": "sketch", "prompt": "a red circle", "radius": 20})");
  server->events(id);
  server.reset();
  server = start();
  EXPECT_EQ(server->status(id)["text"], kWords);
  std::string text;
  for (const json& event : server->events(id))
    if (event["type"] == "text_chunk") text += event["text"].get<std::string>();
  EXPECT_EQ(text, kWords);
}

}  // namespace
}  // namespace rushes::server
