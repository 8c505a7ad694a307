// OmniAvatar's events over a WebSocket of Socket.IO, with an avatar that draws, and an assistant of the test's own.
#include <gmock/gmock.h>

#include "rushes/server/api/omniavatar/assistant.h"
#include "rushes/server/api/omniavatar/omniavatar_test_server.h"
#include "rushes/server/http/route_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Said {
  std::string event;
  json fields;
};

/// A connected client that answers pings.
class Listener {
 public:
  explicit Listener(const RunningServer& server) : client_(server.port()) {
    EXPECT_EQ(client_.upgrade("/socket.io/?EIO=4&transport=websocket").status, 101);
    EXPECT_THAT(client_.read_message().payload, StartsWith("0{"));
    client_.write_frame(1, "40");
    EXPECT_THAT(client_.read_message().payload, StartsWith("40{"));
    const Said hello = hear();
    EXPECT_EQ(hello.event, "connected");
    EXPECT_EQ(hello.fields, (json{{"message", "Connected to pipelined streaming server"}}));
  }
  void say(const std::string& event, const json& fields) {
    const std::string text = "42" + json::array({event, fields}).dump();
    std::string head{'\x81',
                     static_cast<char>(0x80 | std::min<std::size_t>(text.size(), text.size() < 126      ? 125
                                                                                 : text.size() < 65'536 ? 126
                                                                                                        : 127))};
    // Longer ones than write_frame() makes.
    const int bits = text.size() < 126 ? 0 : text.size() < 65'536 ? 16 : 64;
    for (int shift = bits - 8; shift >= 0; shift -= 8) head += static_cast<char>(text.size() >> shift);
    client_.write(head + std::string(4, '\0') + text);
  }
  Said hear() {
    for (;;) {
      const Frame frame = client_.read_message();
      if (frame.payload == "2") {
        client_.write_frame(1, "3");
        continue;
      }
      if (!frame.payload.starts_with("42[")) return {"closed", frame.payload};
      json packet = json::parse(frame.payload.substr(2));
      return {packet[0], packet[1]};
    }
  }
  /// Up to the first of this name; all of them.
  std::vector<Said> hear_until(const std::string& event) {
    std::vector<Said> all;
    do all.push_back(hear());
    while (all.back().event != event && all.back().event != "closed");
    return all;
  }
  TestClient& client() { return client_; }

 private:
  TestClient client_;
};

std::vector<std::string> names_of(const std::vector<Said>& said) {
  std::vector<std::string> names;
  for (const Said& each : said)
    if (names.empty() || each.event != "video_frame" || names.back() != "video_frame") names.push_back(each.event);
  return names;
}

class Generations : public AvatarServer {
 protected:
  static json request(double seconds, json more = json::object()) {
    json fields{{"audio_base64", base64(speech(seconds, 24'000))},
                {"audio_mime_type", "audio/wav"},
                {"image_base64", base64(picture())},
                {"use_conversation", false}};
    fields.update(more);
    return fields;
  }
};

TEST_F(Generations, are_told_in_the_published_order_with_each_frame_and_its_sound) {
  const auto server = serve();
  Listener listener(*server);
  listener.say("generate_streaming_base64", request(0.4));
  const auto said = listener.hear_until("generation_complete");
  EXPECT_EQ(names_of(said), (std::vector<std::string>{"generation_started", "video_frame", "chunk_complete",
                                                      "video_frame", "chunk_complete", "generation_complete"}));
  const json& started = said[0].fields;
  const std::string id = started["session_id"];
  EXPECT_THAT(id, testing::MatchesRegex("causal_pipelined_session_[0-9]+"));
  EXPECT_EQ(started["message"], "Causal Pipelined streaming generation started");
  EXPECT_EQ(started["total_frames"], 21);
  const json& frame = said[2].fields;
  EXPECT_EQ(frame["type"], "video_frame");
  EXPECT_EQ(frame["session_id"], id);
  EXPECT_EQ(frame["frame_number"], 2);
  EXPECT_EQ(frame["total_frames"], 10);
  EXPECT_EQ(frame["chunk_number"], 0);
  EXPECT_EQ(frame["progress"], 20.0);
  EXPECT_EQ(frame["chunk_progress"], 40.0);
  EXPECT_EQ(frame["audio_start_time"], 0.04);
  EXPECT_EQ(frame["audio_duration"], 0.04);
  const std::string jpeg = decode_base64("frame", frame["frame_data"].get<std::string>());
  EXPECT_EQ(media::decode_image({reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()}).width, 64);
  const std::string wav = decode_base64("sound", frame["audio_segment"].get<std::string>());
  const auto sound = media::decode_audio({reinterpret_cast<const uint8_t*>(wav.data()), wav.size()});
  EXPECT_EQ(sound.hz, 24'000);
  EXPECT_EQ(sound.samples.size(), 960u);
  json chunk = said[12].fields;
  EXPECT_EQ(said[12].event, "chunk_complete");
  EXPECT_EQ(chunk, (json{{"type", "chunk_complete"},
                         {"session_id", id},
                         {"chunk_number", 1},
                         {"total_chunks", 2},
                         {"frames_in_chunk", 5},
                         {"total_frames_generated", 10},
                         {"progress", 100.0},
                         {"message", "Chunk 1 completed (causal pipelined)"}}));
  EXPECT_EQ(said[13].fields, (json{{"type", "generation_complete"},
                                   {"session_id", id},
                                   {"message", "Causal Pipelined video generation completed"},
                                   {"used_conversation", false}}));
  EXPECT_EQ(server->request("GET", "/v1/sessions").json()["sessions"][0]["state"], "finished");
  listener.say("generate_causal_streaming_base64", request(0.2, {{"audio", false}}));
  EXPECT_FALSE(listener.hear_until("generation_complete")[1].fields.contains("audio_segment"));
  const json health = server->request("GET", "/api/health").json();
  EXPECT_EQ(health["active_sessions"], 2);
  EXPECT_EQ(health["current_mode"], "causal");
  EXPECT_EQ(health["causal_model_loaded"], true);
  EXPECT_EQ(health["qwen_omni_loaded"], false);
  EXPECT_EQ(server->request("GET", "/api/model_info").json()["model_type"], "causal_pipelined");
}

TEST_F(Generations, are_told_to_all_who_are_in_the_room_and_to_nobody_else) {
  AvatarGate gate;
  const auto server = serve({}, gate.hook());
  Listener caller(*server), other(*server), stranger(*server);
  caller.say("generate_streaming_base64", request(0.2));
  const std::string id = caller.hear().fields["session_id"];
  other.say("join_session", {{"session_id", id}});
  EXPECT_EQ(other.hear().event, "session_joined");
  stranger.say("join_session", {{"session_id", id}});
  EXPECT_EQ(stranger.hear().fields, (json{{"session_id", id}}));
  stranger.say("leave_session", {{"session_id", id}});
  EXPECT_EQ(stranger.hear().event, "session_left");
  gate.let_go();
  EXPECT_EQ(caller.hear_until("generation_complete").size(), 7u);
  EXPECT_EQ(other.hear_until("generation_complete").size(), 7u);
  stranger.say("leave_session", json::object());  // no answer
  stranger.say("join_session", json::object());
  EXPECT_EQ(stranger.hear().fields, (json{{"message", "No session_id provided"}}));
}

TEST_F(Generations, end_when_they_are_cancelled_and_say_so_once) {
  AvatarGate gate;
  const auto server = serve({}, gate.hook());
  Listener listener(*server);
  const auto refused = [&](const json& fields) {
    listener.say("cancel_generation", fields);
    return listener.hear().fields["message"].get<std::string>();
  };
  EXPECT_EQ(refused(json::object()), "No session_id provided");
  EXPECT_EQ(refused({{"session_id", "none"}}), "Session none not found");
  listener.say("generate_streaming_base64", request(1.0));
  const std::string id = listener.hear().fields["session_id"];
  listener.say("cancel_generation", {{"session_id", id}});
  const Said cancelled = listener.hear();
  EXPECT_EQ(cancelled.event, "generation_cancelled");
  EXPECT_EQ(cancelled.fields,
            (json{{"session_id", id}, {"message", "Generation cancelled by user"}, {"frames_generated", 0}}));
  EXPECT_EQ(refused({{"session_id", id}}), "Generation is not active");
  gate.let_go();
  listener.say("generate_streaming_base64", request(0.2));
  EXPECT_EQ(names_of(listener.hear_until("generation_complete")).front(), "generation_started");
}

TEST_F(Generations, end_when_nobody_is_left) {
  AvatarGate gate;
  const auto server = serve({}, gate.hook());
  {
    Listener listener(*server);
    listener.say("generate_streaming_base64", request(2.0));
    listener.hear();
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (server->request("GET", "/v1/sessions").json()["sessions"].empty() &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  gate.let_go();
  const auto state = [&] { return server->request("GET", "/v1/sessions").json()["sessions"][0]["state"]; };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (state() == "running" && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(state(), "stopped");
}

TEST_F(Generations, wait_for_their_client_to_read) {
  const auto server = serve([](ServerOptions& options) {
    options.socket_io.queue_bytes = 20'000;
    options.connections.send_buffer_bytes = 16 << 10;
  });
  TestClient poll(server->port());
  const auto get = [&](const std::string& sid) {
    return poll.request("GET", "/socket.io/?EIO=4&transport=polling" + (sid.empty() ? "" : "&sid=" + sid)).body;
  };
  const std::string sid = json::parse(get("").substr(1))["sid"];
  const auto post = [&](const std::string& body) {
    EXPECT_EQ(poll.request("POST", "/socket.io/?EIO=4&transport=polling&sid=" + sid, body).body, "OK");
  };
  post("40");
  get(sid);
  post("42" + json::array({"generate_streaming_base64", request(16.0)}).dump());
  EXPECT_THAT(get(sid), HasSubstr("generation_started"));
  const auto frames = [&] {
    const json sessions = server->request("GET", "/v1/sessions").json()["sessions"];
    return sessions.empty() ? 0 : sessions[0]["done"]["video_frames"].get<int>();
  };
  int before = -1, now = 0;
  for (const auto deadline = std::chrono::steady_clock::now() + kPatience;
       (now == 0 || now != before) && std::chrono::steady_clock::now() < deadline;) {
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    now = frames();
  }
  EXPECT_GT(now, 0);
  EXPECT_LT(now, 200) << "of 400: the rest waits";
  std::size_t told = 0;
  while (true) {
    const std::string body = get(sid);
    for (std::size_t at = body.find("[\"video_frame\""); at != body.npos; at = body.find("[\"video_frame\"", at + 1))
      ++told;
    if (body.empty() || body.find("generation_complete") != body.npos) break;
  }
  EXPECT_EQ(told, 400u);
}

TEST_F(Generations, say_what_is_wrong) {
  const auto server = serve();
  Listener listener(*server);
  const auto error_of = [&](const json& fields) {
    listener.say("generate_streaming_base64", fields);
    const Said said = listener.hear();
    EXPECT_EQ(said.event, "error");
    return said.fields.value("message", "");
  };
  EXPECT_EQ(error_of(request(0.2, {{"audio_base64", "QUI"}})), "Incorrect padding");
  EXPECT_THAT(error_of("text"), HasSubstr("needs an object"));
  EXPECT_THAT(error_of({{"prompt", 5}}), HasSubstr("prompt must be a string"));
  listener.say("generate_streaming_base64", request(0.2, {{"image_base64", base64("no picture")}}));
  EXPECT_EQ(listener.hear().event, "generation_started");
  const Said failed = listener.hear();
  EXPECT_EQ(failed.event, "generation_error");
  EXPECT_EQ(failed.fields["message"], "Causal Pipelined video generation failed");
  EXPECT_THAT(failed.fields["error"].get<std::string>(), HasSubstr("JPEG"));
  listener.say("health_check", json::object());  // nobody answers
  listener.say("switch_mode", {{"mode", "normal"}});
  EXPECT_THAT(listener.hear().fields["message"].get<std::string>(), HasSubstr("Mode 'normal' is not available"));
  listener.say("switch_mode", {{"mode", "causal"}});
  EXPECT_EQ(listener.hear().event, "mode_switched");
  listener.say("switch_mode", {{"mode", "both"}});
  EXPECT_EQ(listener.hear().event, "error");
  const auto without = start([](ServerOptions& options) { options.listen = {"127.0.0.1:0=omniavatar"}; });
  Listener other(*without);
  other.say("generate_streaming_base64", request(0.2));
  EXPECT_EQ(other.hear().fields, (json{{"message", "Model not initialized"}}));
}

TEST_F(Generations, of_a_model_with_segments_begin_with_the_picture_before_anything_is_said) {
  const auto server = serve({}, {}, false);
  Listener listener(*server);
  EXPECT_EQ(server->request("GET", "/api/health").json()["current_mode"], "normal");
  listener.say("switch_mode", {{"mode", "normal"}});
  EXPECT_EQ(listener.hear().fields, (json{{"mode", "normal"}, {"message", "Switched to normal mode"}}));
  listener.say("generate_streaming_base64", request(0.4));
  const auto said = listener.hear_until("generation_complete");
  const auto loudness = [&](const json& frame) {
    const std::string wav = decode_base64("sound", frame["audio_segment"].get<std::string>());
    float peak = 0;
    for (const float sample : media::decode_audio({reinterpret_cast<const uint8_t*>(wav.data()), wav.size()}).samples)
      peak = std::max(peak, std::abs(sample));
    return peak;
  };
  ASSERT_GT(said.size(), 3u);
  EXPECT_EQ(said[1].fields["total_frames"], 11);
  EXPECT_EQ(loudness(said[1].fields), 0);
  EXPECT_GT(loudness(said[2].fields), 0.01f);
  listener.say("generate_causal_streaming_base64", request(0.4));
  EXPECT_THAT(listener.hear().fields["message"].get<std::string>(), HasSubstr("Mode 'causal' is not available"));
}

TEST_F(Generations, say_that_nobody_converses_where_no_assistant_is_configured) {
  const auto server = serve();
  Listener listener(*server);
  json fields = request(0.2);
  fields.erase("use_conversation");
  listener.say("generate_streaming_base64", fields);
  const auto said = listener.hear_until("generation_complete");
  EXPECT_EQ(names_of(said),
            (std::vector<std::string>{"generation_started", "conversation_processing", "conversation_warning",
                                      "video_frame", "chunk_complete", "generation_complete"}));
  EXPECT_EQ(said[2].fields["type"], "conversation_warning");
  EXPECT_EQ(said.back().fields["used_conversation"], false);
  EXPECT_TRUE(said[3].fields.contains("audio_segment"));
}

TEST_F(Generations, let_the_avatar_say_what_the_assistant_answers) {
  // Twice as long as what it heard; the second time it is unwell.
  std::atomic<int> asked = 0;
  json heard;
  std::string key;
  Router routes;
  routes.answer_later(
      "POST", "/v1/chat/completions",
      [&](const Request& request) -> net::awaitable<Response> {
        heard = json::parse(request.body);
        key = request.header("authorization");
        if (asked++ > 0) co_return json_response(429, {{"error", "busy"}});
        const Json audio{{"data", base64(speech(0.4))}, {"transcript", "It is late."}};
        const Json message{{"role", "assistant"}, {"audio", audio}};
        const Json choice{{"message", message}};
        co_return json_response(200, {{"choices", Json::array({choice})}});
      },
      64 << 20);
  const RouteServer assistant(std::move(routes));
  const auto server = serve([&](ServerOptions& options) {
    options.assistant = {.url = fmt::format("http://127.0.0.1:{}/v1", assistant.port()),
                         .model = "omni",
                         .voice = "ash",
                         .key = "secret"};
  });
  Listener listener(*server);
  const json fields = request(0.2, {{"use_conversation", true}});
  listener.say("generate_streaming_base64", fields);
  auto said = listener.hear_until("generation_complete");
  EXPECT_EQ(said[1].event, "conversation_processing");
  EXPECT_EQ(said[2].event, "conversation_complete");
  EXPECT_EQ(said[2].fields["reply_text"], "It is late.");
  EXPECT_EQ(said[3].fields["total_frames"], 10);
  EXPECT_EQ(said.back().fields["used_conversation"], true);
  EXPECT_EQ(said.back().fields["conversation_reply"], "It is late.");
  EXPECT_EQ(key, "Bearer secret");
  EXPECT_EQ(heard["model"], "omni");
  EXPECT_EQ(heard["audio"], (json{{"voice", "ash"}, {"format", "wav"}}));
  EXPECT_EQ(heard["modalities"], (json{"text", "audio"}));
  const json& question = heard["messages"][0]["content"][0]["input_audio"];
  const std::string wav = decode_base64("question", question["data"].get<std::string>());
  EXPECT_NEAR(media::decode_audio({reinterpret_cast<const uint8_t*>(wav.data()), wav.size()}).seconds(), 0.2, 0.01);
  listener.say("generate_streaming_base64", fields);
  said = listener.hear_until("generation_complete");
  EXPECT_EQ(said[2].event, "conversation_error");
  EXPECT_THAT(said[2].fields["message"].get<std::string>(), HasSubstr("429"));
  EXPECT_EQ(said[3].fields["total_frames"], 5) << "the speech itself";
  EXPECT_EQ(server->request("GET", "/api/health").json()["qwen_omni_loaded"], true);
  EXPECT_EQ(server->request("GET", "/api/health").body.find("secret"), std::string::npos);
}

TEST_F(Generations, let_the_server_end) {
  AvatarGate gate;
  auto server =
      serve([](ServerOptions& options) { options.connections.closing = std::chrono::milliseconds(100); }, gate.hook());
  Listener idle(*server), busy(*server);
  busy.say("generate_streaming_base64", request(2.0));
  busy.hear();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (server->request("GET", "/v1/sessions").json()["sessions"].empty() &&
         std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  server->ask_to_stop();
  gate.let_go();
  EXPECT_EQ(idle.client().read_message().payload, "1");
  EXPECT_EQ(idle.client().read_message().opcode, 8);
  EXPECT_EQ(busy.hear_until("generation_error").back().fields["error"], "the server is shutting down");
  server->stop();
}

TEST(Assistant, is_understood_or_quoted) {
  using omniavatar::read_reply;
  EXPECT_EQ(read_reply(200, R"({"choices":[{"message":{"content":"hi","audio":{"data":"QUI="}}}]})").text, "hi");
  for (const char* body :
       {"", "[]", "{\"choices\":[]}", R"({"choices":[{"message":{"content":"hi"}}]})",
        R"({"choices":[{"message":{"audio":{"data":""}}}]})", R"({"choices":[{"message":{"audio":{"data":"?"}}}]})"})
    EXPECT_THROW(read_reply(200, body), Error) << body;
  EXPECT_THROW(read_reply(500, "{}"), Error);
}

}  // namespace
}  // namespace rushes::server
