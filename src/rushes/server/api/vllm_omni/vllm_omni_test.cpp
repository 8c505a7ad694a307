// vLLM-Omni's live dialect over a real socket.
#include <gtest/gtest.h>

#include "rushes/media/test_video.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {
using nlohmann::json;

constexpr int kStepsPerBlock = 4;

struct Conversation {
  explicit Conversation(const RunningServer& server) : client(server.port()) {
    EXPECT_EQ(client.upgrade("/v1/realtime/video").status, 101);
  }
  void say(const json& message) { client.write_frame(1, message.dump()); }
  json hear() {
    const Frame frame = client.read_message();
    EXPECT_EQ(frame.opcode, 1) << frame.payload.substr(0, 100);
    return frame.opcode == 1 ? json::parse(frame.payload) : json();
  }
  /// The next chunk's metadata; its bytes go to `video`.
  json chunk() {
    const json metadata = hear();
    EXPECT_EQ(metadata["type"], "video.chunk_metadata") << metadata;
    const Frame media = client.read_message();
    EXPECT_EQ(media.opcode, 2);
    EXPECT_EQ(media.payload.size(), metadata.value("byte_length", 0u));
    video += media.payload;
    return metadata;
  }
  TestClient client;
  std::string video;
};

TEST(Realtime, streams_chunks_takes_an_interaction_and_says_that_it_is_done) {
  RunningServer server;
  Conversation talk(server);
  talk.say({{"type", "session.ping"}});
  EXPECT_EQ(talk.hear()["type"], "session.pong");
  talk.say({{"type", "session.start"}, {"prompt", "a"}, {"seed", 5}, {"fps", 16}});
  const json start = talk.hear();
  EXPECT_EQ(start["type"], "video.start");
  EXPECT_EQ(start["format"], "m4s");
  EXPECT_EQ(start["config"]["num_frames"], 84);
  const std::string id = start["request_id"];
  server.gate().allow(kStepsPerBlock);
  json metadata = talk.chunk();
  EXPECT_EQ(metadata["transport_chunk_index"], 0);
  EXPECT_EQ(metadata["kind"], "media");
  EXPECT_EQ(metadata["num_frames"], 12);
  EXPECT_EQ(metadata["started_event_ids"], json::array());
  talk.say({{"type", "session.interaction"},
            {"interaction", {{"event_id", "x"}, {"event", {{"prompt", "b"}}}, {"transition_chunks", 2}}}});
  EXPECT_EQ(talk.hear(), (json{{"type", "session.interaction.queued"}, {"request_id", id}, {"event_id", "x"}}));
  server.gate().open();
  std::vector<json> started;
  for (int i = 1; i < 7; ++i) {
    metadata = talk.chunk();
    EXPECT_EQ(metadata["transport_chunk_index"], i);
    if (!metadata["started_event_ids"].empty()) started.push_back(metadata["started_event_ids"]);
  }
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0], json::array({"x"}));
  EXPECT_EQ(talk.hear(), (json{{"type", "session.done"}, {"request_id", id}, {"chunks", 7}, {"stopped", false}}));
  EXPECT_EQ(talk.client.read_message().close_code(), 1000);
  EXPECT_EQ(media::decode_bytes("realtime_test.mp4", media::Bytes(talk.video.begin(), talk.video.end())).size(), 84u);
  EXPECT_EQ(server.status(id)["seed"], 5);
}

TEST(Realtime, stops_when_it_is_told_and_when_the_client_leaves) {
  RunningServer server;
  std::string left;
  {
    Conversation talk(server);
    talk.say({{"type", "session.start"}, {"prompt", "a"}});
    left = talk.hear()["request_id"];
  }
  Conversation talk(server);
  talk.say({{"type", "session.start"}, {"prompt", "a"}, {"num_frames", 60'000}});
  const std::string id = talk.hear()["request_id"];
  talk.say({{"type", "session.stop"}});
  EXPECT_EQ(server.events(id).back()["state"], "stopped");  // the word has arrived before a block is made
  server.gate().open();
  json last = talk.hear();
  while (last["type"] == "video.chunk_metadata") {
    talk.client.read_message();
    last = talk.hear();
  }
  EXPECT_EQ(last["type"], "session.done");
  EXPECT_EQ(last["stopped"], true);
  EXPECT_EQ(server.events(left).back()["reason"], "the client has disconnected");
}

TEST(Realtime, says_what_is_wrong_with_a_message) {
  RunningServer server;
  struct Case {
    const char *message, *words;
  };
  const Case before_start[] = {{"no json", "JSON"},
                               {"[]", "object"},
                               {R"({"type": "session.end"})", "session.start"},
                               {R"({"type": "session.stop"})", "must come first"},
                               {R"({"type": "session.start"})", "prompt"},
                               {R"({"type": "session.start", "prompt": "a", "format": "webm"})", "m4s"},
                               {R"({"type": "session.start", "prompt": "a", "format": 3})", "m4s"},
                               {R"({"type": "session.start", "prompt": "a", "width": [[1]]})", "width"},
                               {R"({"type": "session.start", "prompt": "a", "width": 17})", "width"},
                               {R"({"type": "session.start", "prompt": "a", "colour": "red"})", "colour"},
                               {R"({"type": "session.start", "prompt": "a", "image_reference": {}})", "image_url"}};
  for (const Case& each : before_start) {
    SCOPED_TRACE(each.message);
    Conversation talk(server);
    talk.client.write_frame(1, each.message);
    const json error = talk.hear();
    EXPECT_EQ(error["type"], "error");
    EXPECT_NE(error["message"].get<std::string>().find(each.words), std::string::npos) << error;
    EXPECT_EQ(talk.client.read_message().close_code(), 1008);
  }
  Conversation talk(server);
  talk.say({{"type", "session.start"}, {"prompt", "a"}, {"extra_params", {{"any", "thing"}}}});
  EXPECT_EQ(talk.hear()["type"], "video.start");
  const Case running[] = {
      {R"({"type": "session.start", "prompt": "a"})", "already"},
      {R"({"type": "session.interaction"})", "interaction"},
      {R"({"type": "session.interaction", "interaction": {"event": {"prompt": " "}}})", "empty"},
      {R"({"type": "session.interaction", "interaction": {"event": {"multi_modal_data": {}}}})", "camera"}};
  for (const Case& each : running) {
    talk.client.write_frame(1, each.message);
    const json error = talk.hear();
    EXPECT_EQ(error["type"], "error") << each.message;
    EXPECT_NE(error["message"].get<std::string>().find(each.words), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace rushes::server
