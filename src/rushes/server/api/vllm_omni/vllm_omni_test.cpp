// vLLM-Omni's live dialect over a real socket.
#include <gmock/gmock.h>

#include <set>

#include "rushes/media/image.h"
#include "rushes/media/test_video.h"
#include "rushes/server/http/base64.h"
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
            {"interaction", {{"event_id", "x"}, {"event", {{"prompt", "b"}}}, {"transition_chunks", 0}}}});
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

std::vector<std::string> ignored_fields(const json& ignored) {
  std::vector<std::string> fields;
  for (const json& each : ignored) fields.push_back(each["field"]);
  return fields;
}

TEST(Realtime, takes_what_that_servers_own_client_sends_and_names_what_it_does_not_use) {
  RunningServer server;
  Conversation talk(server);
  talk.say(json::parse(R"({"type": "session.start", "model": "drawing", "prompt": "a", "format": "m4s", "width": 48,
      "height": 32, "size": null, "seconds": "9", "fps": 12, "num_frames": 429, "num_inference_steps": 7,
      "guidance_scale": 1.0, "guidance_scale_2": 3, "boundary_ratio": 0.9, "flow_shift": 5.0, "true_cfg_scale": 2,
      "seed": 42, "generate_sound": false, "colour": "red",
      "extra_params": {"is_enable_stage2": true, "pyramid_num_inference_steps_list": [1, 1, 1], "timestep_shift": 4},
      "sampling_params": {"num_frames": 12, "negative_prompt": "blur", "sampler": "ddim"}})"));
  const json start = talk.hear();
  ASSERT_EQ(start["type"], "video.start") << start;
  EXPECT_EQ(start["config"]["width"], 48);
  EXPECT_EQ(start["config"]["height"], 32);
  EXPECT_EQ(start["config"]["fps"], 12);
  EXPECT_EQ(start["config"]["seed"], 42);
  EXPECT_THAT(ignored_fields(start["ignored"]),
              testing::UnorderedElementsAre(
                  "seconds", "guidance_scale_2", "boundary_ratio", "flow_shift", "true_cfg_scale", "colour",
                  "extra_params.is_enable_stage2", "extra_params.pyramid_num_inference_steps_list",
                  "sampling_params.num_frames", "sampling_params.sampler", "negative_prompt"));
  for (const json& each : start["ignored"]) EXPECT_FALSE(each["reason"].get<std::string>().empty());
  EXPECT_EQ(server.status(start["request_id"])["ignored"], start["ignored"]);
}

TEST(Realtime, uses_the_largest_seed_where_that_is_named) {
  RunningServer server;
  constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  Conversation talk(server);
  talk.say({{"type", "session.start"}, {"prompt", "a"}, {"seed", kLargest}});
  const json start = talk.hear();
  EXPECT_EQ(start["config"]["seed"], kLargest);
  EXPECT_EQ(server.status(start["request_id"])["seed"], kLargest);
}

TEST(Realtime, draws_a_seed_where_none_is_named_and_tells_it) {
  RunningServer server;
  std::set<uint64_t> seeds;
  for (const json& named : {json(nullptr), json(-1), json(-1)}) {
    Conversation talk(server);
    talk.say({{"type", "session.start"}, {"prompt", "a"}, {"seed", named}});
    const json start = talk.hear();
    seeds.insert(start["config"]["seed"].get<uint64_t>());
    EXPECT_EQ(server.status(start["request_id"])["seed"], start["config"]["seed"]);
  }
  EXPECT_EQ(seeds.size(), 3u);
  EXPECT_LT(*seeds.rbegin(), 1ull << 32);
}

TEST(Realtime, names_each_interaction_once_and_refuses_an_event_id_that_was_used) {
  RunningServer server;
  Conversation talk(server);
  talk.say({{"type", "session.start"}, {"prompt", "a"}});
  const std::string id = talk.hear()["request_id"];
  ASSERT_TRUE(server.gate().wait_for(1));  // the first block is in work
  const auto interact = [&](const json& interaction) {
    talk.say({{"type", "session.interaction"}, {"interaction", interaction}});
    return talk.hear();
  };
  const json first = interact({{"event_id", "x"}, {"event", {{"prompt", "b"}}}, {"transition_chunks", 3}});
  EXPECT_EQ(first["type"], "session.interaction.queued");
  EXPECT_EQ(ignored_fields(first["ignored"]), std::vector<std::string>{"transition_chunks"});
  const json again = interact({{"event_id", "x"}, {"event", {{"prompt", "b"}}}});
  EXPECT_EQ(again["type"], "error");
  EXPECT_EQ(again["code"], "event_id_conflict");
  EXPECT_EQ(again["request_id"], id);
  EXPECT_EQ(again["event_id"], "x");
  const std::string made = interact({{"event", {{"prompt", "c"}}}})["event_id"];
  EXPECT_EQ(made.size(), 32u);
  EXPECT_EQ(interact({{"event_id", "y"}, {"event", {{"prompt", "d"}}}}),
            (json{{"type", "session.interaction.queued"}, {"request_id", id}, {"event_id", "y"}}));
  for (const json& wrong :
       {json{{"event_id", ""}, {"event", {{"prompt", "e"}}}}, json{{"event_id", 3}, {"event", {{"prompt", "e"}}}},
        json{{"event", {{"prompt", "e"}, {"negative_prompt", "blur"}}}},
        json{{"event", {{"prompt", "e"}}}, {"transition_chunks", -1}},
        json{{"event", {{"prompt", "e"}}}, {"transition_chunks", 2.5}},
        json{{"event", {{"prompt", "e"}}}, {"transition_chunks", true}},
        json{{"event", {{"prompt", "e"}}}, {"transition_chunks", "3"}}})
    EXPECT_EQ(interact(wrong)["type"], "error") << wrong;
  server.gate().open();
  std::vector<json> started, completed;
  for (json message = talk.hear(); message["type"] == "video.chunk_metadata"; message = talk.hear()) {
    talk.client.read_message();
    if (!message["started_event_ids"].empty()) started.push_back(message["started_event_ids"]);
    if (!message["completed_event_ids"].empty()) completed.push_back(message["completed_event_ids"]);
  }
  EXPECT_EQ(started, std::vector<json>{json::array({"y"})});
  EXPECT_EQ(completed, (std::vector<json>{json::array({"x", made, "y"})}));
}

TEST(Realtime, answers_binary_messages_with_an_error) {
  RunningServer server;
  Conversation early(server), late(server);
  early.client.write_frame(2, "{}");
  EXPECT_EQ(early.hear()["message"], "the message is binary; send JSON in text messages");
  EXPECT_EQ(early.client.read_message().close_code(), 1008);
  late.say({{"type", "session.start"}, {"prompt", "a"}});
  EXPECT_EQ(late.hear()["type"], "video.start");
  late.client.write_frame(2, "{}");
  EXPECT_EQ(late.hear()["type"], "error");
  late.say({{"type", "session.playback"}, {"position_seconds", 1.25}});  // has no answer
  late.say({{"type", "session.playback"}, {"position_seconds", "now"}});
  EXPECT_EQ(late.hear()["type"], "error");
  late.say({{"type", "session.ping"}});
  EXPECT_EQ(late.hear(), (json{{"type", "session.pong"}}));
}

TEST(Realtime, refuses_a_picture_for_which_there_is_no_room_before_it_is_decoded) {
  constexpr int64_t kSide = 256;
  RunningServer server([](ServerOptions& options) { options.sessions.max_input_bytes = kSide * kSide * 3 - 1; });
  Conversation talk(server);
  const auto png = media::encode_png(media::test_frame(kSide, kSide, 3).data(), kSide, kSide);
  talk.say({{"type", "session.start"},
            {"prompt", "a"},
            {"image_reference", {{"image_url", encode_base64(std::span(png).first(64))}}}});
  EXPECT_THAT(talk.hear()["message"].get<std::string>(), testing::HasSubstr("--max-input-mib"));
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
                               {R"({"type": "session.start", "prompt": "a", "seed": -2})", "or -1 for a random one"},
                               {R"({"type": "session.start", "prompt": "a", "model": "other"})", "no model 'other'"},
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
