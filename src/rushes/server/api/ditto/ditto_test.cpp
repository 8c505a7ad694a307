// Ditto's protocol over sockets, with a talking head that draws: order of messages, what is refused, who leaves.
#include <gmock/gmock.h>

#include "rushes/server/api/ditto/ditto_test_server.h"
#include "rushes/server/http/base64.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

class Ditto : public TalkServer {
 protected:
  Ditto() {
    std::filesystem::create_directory(root_.path / "example");
    std::ofstream(root_.path / "example/image.png") << picture();
    std::ofstream(root_.path / "example/audio.wav") << media::wav_file(media::test_audio(16'000, 16'000), 16'000);
    std::ofstream(root_.path / "example/notes.txt") << "neither sound nor picture";
  }
  std::unique_ptr<RunningServer> serve(const std::function<void(ServerOptions&)>& change = {},
                                       generation::DrawingTalker::Hook hook = {}) {
    const auto model = std::make_shared<const DrawingDitto>(std::move(hook));
    return std::make_unique<RunningServer>(
        [&](ServerOptions& options) {
          options.frame_streams.file_root = root_.path;
          options.listen = {"127.0.0.1:0=ditto"};
          options.sweep = std::chrono::milliseconds(20);
          if (change) change(options);
        },
        std::vector<ModelSource>{
            {.name = "heads", .load = [model] { return model; }, .family = "ditto", .at_start = true}});
  }
  static json beginning(json more = json::object()) {
    json message{{"type", "start_streaming"}};
    message.update(more);
    return message;
  }
  const ScratchFolder root_;
};

TEST_F(Ditto, tells_a_stream_in_the_published_order_and_can_begin_another) {
  const auto server = serve();
  Peer peer(*server);
  for (int round = 0; round < 2; ++round) {
    peer.say(beginning());
    std::vector<std::string> wanted{"streaming_started", "metadata"};
    wanted.insert(wanted.end(), 25, "frame");
    wanted.insert(wanted.end(), {"streaming_completed", "writer_closed"});
    EXPECT_EQ(peer.hear_until("writer_closed"), wanted);
    EXPECT_EQ(peer.newest["total_frames"], 25);
  }
  const json sessions = server->request("GET", "/v1/sessions").json()["sessions"];
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[0]["state"], "finished");
  EXPECT_EQ(server->request("GET", "/v1/sessions/" + sessions[0]["id"].get<std::string>() + "/hls/video.m3u8").status,
            200);
}

TEST_F(Ditto, tells_the_length_of_the_speech_and_whole_jpegs) {
  const auto server = serve();
  Peer peer(*server);
  peer.say(beginning({{"setup_kwargs", {{"emo", {3, 4}}}},
                      {"run_kwargs", {{"chunksize", {3, 5, 2}}, {"fade_in", -1}, {"fade_out", -1}}}}));
  const json started = peer.hear(), metadata = peer.hear(), frame = peer.hear();
  EXPECT_EQ(started["audio_path"], "./example/audio.wav");
  EXPECT_EQ(started["source_path"], "./example/image.png");
  EXPECT_GT(started["timestamp"], 1.6e9);
  EXPECT_EQ(metadata["audio_duration"], 1.0);
  EXPECT_EQ(metadata["expected_frames"], 25);
  EXPECT_EQ(server->status(metadata["session_id"])["options"]["emo"], "[3,4]");
  const std::string jpeg = decode_base64("frame", frame["frame_data"].get<std::string>());
  EXPECT_EQ(media::decode_image({reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()}).width, 64);
}

TEST_F(Ditto, sends_frames_as_bytes_and_their_speech_if_it_is_asked_to) {
  const auto server = serve();
  Peer peer(*server, "/ws/ada?audio=1");
  peer.say(beginning({{"binary", true}}));
  EXPECT_EQ(peer.hear()["binary"], true);
  EXPECT_EQ(peer.hear()["type"], "metadata");
  for (int id = 0; id < 25; ++id) {
    const json audio = peer.hear();
    EXPECT_EQ(audio["type"], "audio");
    EXPECT_EQ(decode_base64("audio", audio["audio"].get<std::string>()).size(), 1280u);
    const Frame frame = peer.client.read_message();
    ASSERT_EQ(frame.opcode, 2);
    EXPECT_EQ(frame.payload[3], id);
    EXPECT_EQ(frame.payload.substr(16, 2), "\xff\xd8");
  }
  EXPECT_EQ(peer.hear_until("writer_closed").size(), 2u);
}

TEST_F(Ditto, answers_what_it_cannot_start_in_the_published_words_and_goes_on) {
  const auto server = serve();
  Peer peer(*server);
  const struct {
    json more;
    const char* words;
    bool begins;
  } cases[] = {
      {{{"audio_path", "/etc/passwd"}}, "Audio file not found: /etc/passwd", false},
      {{{"audio_path", "../audio.wav"}, {"source_path", "none.png"}}, "Audio file not found: ../audio.wav", false},
      {{{"source_path", "none.png"}}, "Source file not found: none.png", false},
      {{{"audio_path", 5}}, "Failed to create streaming task: audio_path must be a string", false},
      {{{"audio_path", "example/notes.txt"}}, "Streaming error: ", true},
      {{{"source_path", "example/notes.txt"}}, "Streaming error: ", true},
      {{{"audio_path", "data:audio/wav;base64,AAAA"}}, "Streaming error: ", true},
      {{{"audio_path", "data:image/png;base64,AAAA"}}, "Streaming error: audio_path: the data URL has the type", true},
      {{{"setup_kwargs", {{"smile", 1}}}}, "Streaming error: smile is not an option of this model", true},
      {{{"run_kwargs", {{"speed", 1}}}}, "Streaming error: speed is not one of run_kwargs", true},
  };
  for (const auto& each : cases) {
    peer.say(beginning(each.more));
    json told = peer.hear();
    if (each.begins) {
      EXPECT_EQ(told["type"], "streaming_started") << each.words;
      told = peer.hear();
    }
    EXPECT_EQ(told["type"], "error");
    EXPECT_THAT(told["message"].get<std::string>(), testing::StartsWith(each.words));
  }
  peer.say({{"type", "ping"}});
  EXPECT_EQ(peer.hear()["type"], "pong");
  peer.say(beginning());
  EXPECT_EQ(peer.hear_until("writer_closed").size(), 29u);
}

TEST_F(Ditto, takes_the_room_of_pictures_that_ended_streams_no_longer_need_and_says_when_there_is_none) {
  constexpr int64_t kSide = 256, kPicture = kSide * kSide * 3, kSamples = 1600, kSpeech = kSamples * 4;
  const std::string speech = media::wav_file(media::test_audio(kSamples, 16'000), 16'000);
  const media::Bytes file = media::encode_png(media::test_frame(kSide, kSide, 3).data(), kSide, kSide);
  const std::string_view png(reinterpret_cast<const char*>(file.data()), file.size());
  const auto with = [&](std::string_view image) {
    const auto base64 = [](std::string_view bytes) {
      return encode_base64({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    };
    return beginning({{"source_path", "data:image/png;base64," + base64(image)},
                      {"audio_path", "data:audio/wav;base64," + base64(speech)}});
  };
  const auto limited = [&](int64_t bytes) {
    return serve([bytes](ServerOptions& options) { options.sessions.max_input_bytes = bytes; });
  };
  const auto for_one = limited(2 * kPicture + kSpeech - 1), for_none = limited(kPicture + kSpeech - 1);
  Peer peer(*for_one);
  for (int round = 0; round < 2; ++round) {
    peer.say(with(png));
    peer.hear_until("writer_closed");
    EXPECT_EQ(peer.newest["total_frames"], 3) << round;
  }
  Peer refused(*for_none);
  // Its header tells the size; whoever looks at the rest finds that it is cut off.
  refused.say(with(png.substr(0, 64)));
  EXPECT_EQ(refused.hear()["type"], "streaming_started");
  EXPECT_THAT(refused.hear()["message"].get<std::string>(), HasSubstr("--max-input-mib"));
}

TEST_F(Ditto, takes_speech_and_source_as_data_and_as_uploads) {
  const auto server = serve();
  Peer peer(*server);
  const std::string wav = media::wav_file(media::test_audio(1600, 16'000), 16'000), png = picture();
  const auto data = [](const std::string& type, const std::string& bytes) {
    return "data:" + type + ";base64," + encode_base64({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  };
  peer.say(beginning({{"audio_path", data("audio/wav", wav)}, {"source_path", data("image/png", png)}}));
  EXPECT_EQ(peer.hear()["audio_path"], "data:audio/wav");
  peer.hear_until("writer_closed");
  EXPECT_EQ(peer.newest["total_frames"], 3);
  const std::string form =
      "--b0undary\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"a.WAV\"\r\n\r\n" + wav +
      "\r\n--b0undary\r\nContent-Disposition: form-data; name=\"source\"; filename=\"b.png\"\r\n\r\n" + png +
      "\r\n--b0undary--\r\n";
  const std::string type = "Content-Type: multipart/form-data; boundary=b0undary\r\n";
  const Reply kept = server->request("POST", "/upload", form, type);
  ASSERT_EQ(kept.status, 200) << kept.body;
  peer.say(beginning(kept.json()));
  EXPECT_EQ(peer.hear_until("writer_closed").size(), 7u);
  const auto refused = [&](std::string body) {
    const Reply reply = server->request("POST", "/upload", body, type);
    EXPECT_EQ(reply.status, 400);
    return reply.json()["error"].get<std::string>();
  };
  EXPECT_EQ(refused("--b0undary--\r\n"), "no files provided");
  EXPECT_EQ(refused("--b0undary\r\nContent-Disposition: form-data; name=\"audio\"; "
                    "filename=\"a.exe\"\r\n\r\nx\r\n--b0undary--\r\n"),
            "unsupported audio extension: .exe");
  EXPECT_EQ(refused("--b0undary\r\nContent-Disposition: form-data; name=\"source\"; "
                    "filename=\"a.gif\"\r\n\r\nx\r\n--b0undary--\r\n"),
            "unsupported image extension: .gif");
}

/// Blocks wait until it is opened.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  auto hook() {
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

TEST_F(Ditto, answers_two_beginnings_that_come_at_once_in_their_order) {
  Gate gate;
  const auto server = serve({}, gate.hook());
  Peer peer(*server);
  peer.client.write(masked(1, beginning().dump()) + masked(1, beginning().dump()));
  EXPECT_EQ(peer.hear()["type"], "streaming_started");
  EXPECT_EQ(peer.hear(), (json{{"type", "error"}, {"message", "Streaming already active for this client"}}));
  EXPECT_EQ(peer.hear()["type"], "metadata");
  gate.let_go();
}

TEST_F(Ditto, runs_one_stream_a_client_and_stops_it_when_asked) {
  Gate gate;
  const auto server = serve({}, gate.hook());
  Peer peer(*server), other(*server, "/ws/bob");
  peer.say({{"type", "stop_streaming"}});  // no answer
  peer.say(beginning());
  EXPECT_EQ(peer.hear()["type"], "streaming_started");
  const json metadata = peer.hear();
  EXPECT_EQ(server->request("GET", "/health").json(), (json{{"status", "ok"}, {"active_streams", 1}}));
  peer.say(beginning());
  EXPECT_EQ(peer.hear(), (json{{"type", "error"}, {"message", "Streaming already active for this client"}}));
  other.say({{"type", "ping"}});
  EXPECT_EQ(other.hear()["type"], "pong");
  peer.say({{"type", "stop_streaming"}});
  EXPECT_EQ(peer.hear()["type"], "streaming_stopped");
  EXPECT_EQ(server->request("GET", "/health").json()["active_streams"], 0);
  EXPECT_EQ(server->status(metadata["session_id"])["state"], "stopped");
  gate.let_go();
  peer.say(beginning());
  EXPECT_EQ(peer.hear_until("writer_closed").size(), 29u) << "nothing of the stream before comes";
}

TEST_F(Ditto, tells_the_newest_connection_of_a_client_and_goes_on_when_the_one_before_leaves) {
  Gate gate;
  const auto server = serve({}, gate.hook());
  Peer before(*server);
  before.say(beginning());
  before.hear_until("metadata");
  Peer after(*server);
  before.say({{"type", "ping"}});
  EXPECT_EQ(after.hear()["type"], "pong") << "answers go there too";
  after.say(beginning());
  EXPECT_EQ(after.hear()["message"], "Streaming already active for this client");
  before.client.close();
  gate.let_go();
  EXPECT_EQ(after.hear_until("writer_closed").size(), 27u);
}

TEST_F(Ditto, ends_the_session_of_a_client_that_says_what_is_no_message_or_vanishes) {
  Gate gate;
  const auto server = serve({}, gate.hook());
  const auto is_stopped = [&](const std::string& id) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (server->status(id)["state"] != "stopped" && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return server->status(id)["state"] == "stopped";
  };
  const std::pair<int, std::string> wrong[] = {{1, "hello"}, {1, "[1]"}, {2, R"({"type": "ping"})"}};
  for (const auto& [opcode, message] : wrong) {
    Peer peer(*server);
    peer.say(beginning());
    peer.hear_until("metadata");
    const std::string id = peer.newest["session_id"];
    peer.client.write(masked(opcode, message));
    EXPECT_EQ(peer.client.read_message().opcode, 8) << message;
    EXPECT_TRUE(is_stopped(id));
  }
  Peer vanishes(*server);
  vanishes.say(beginning());
  vanishes.hear_until("metadata");
  vanishes.client.reset();
  EXPECT_TRUE(is_stopped(vanishes.newest["session_id"]));
  Peer peer(*server);
  peer.say({{"type", "dance"}});
  peer.say({{"type", "ping"}});
  EXPECT_EQ(peer.hear()["type"], "pong") << "a type that nobody knows is ignored";
  gate.let_go();
}

TEST_F(Ditto, waits_for_a_client_that_does_not_read_and_then_drops_it) {
  const auto server = serve([](ServerOptions& options) {
    options.connections.stall = std::chrono::milliseconds(300);
    options.connections.send_buffer_bytes = 16 << 10;
    options.frame_streams.queue = 4;
  });
  std::ofstream(root_.path / "long.wav") << media::wav_file(media::test_audio(1'600'000, 16'000), 16'000);
  Peer peer(*server), other(*server, "/ws/bob");
  peer.say(beginning({{"audio_path", "long.wav"}, {"audio", true}}));
  peer.hear_until("metadata");
  const std::string id = peer.newest["session_id"];
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (server->status(id)["state"] != "stopped" && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const json status = server->status(id);
  EXPECT_EQ(status["state"], "stopped");
  EXPECT_LT(status["done"]["video_frames"], 2500) << "the generation waits for the client";
  other.say({{"type", "ping"}});
  EXPECT_EQ(other.hear()["type"], "pong");
}

TEST_F(Ditto, feeds_a_file_of_many_minutes_as_its_frames_come_also_where_their_speech_is_told_apart) {
  constexpr int kMinutes = 14, kFrames = 40 * 25;  // of the file; that are looked at
  const auto server = serve([](ServerOptions& options) { options.sessions.max_waiting_speech = 11 * 60; });
  std::ofstream(root_.path / "long.wav") << media::wav_file(media::test_audio(kMinutes * 60 * 16'000, 16'000), 16'000);
  Peer peer(*server, "/ws/ada?audio=1");
  peer.say(beginning({{"audio_path", "long.wav"}, {"binary", true}}));
  peer.hear_until("metadata");
  EXPECT_EQ(peer.newest["expected_frames"], kMinutes * 60 * 25);
  for (int frame = 0; frame < kFrames; ++frame) {
    const json audio = peer.hear();
    ASSERT_EQ(audio["type"], "audio") << audio << " instead of frame " << frame;
    ASSERT_EQ(peer.client.read_message().opcode, 2);
  }
}

TEST_F(Ditto, says_how_much_speech_a_stream_that_hears_all_of_it_first_can_have) {
  const auto server = serve([](ServerOptions& options) { options.sessions.max_waiting_speech = 2; });
  Peer peer(*server);
  std::ofstream(root_.path / "long.wav") << media::wav_file(media::test_audio(48'000, 16'000), 16'000);
  const json offline{{"setup_kwargs", {{"online_mode", false}}}};
  json longer = offline;
  longer["audio_path"] = "long.wav";
  peer.say(beginning(longer));
  peer.hear_until("error");
  EXPECT_EQ(peer.newest["message"],
            "Streaming error: 3 s of speech are too long: all is heard before frames are made, at most 2 s; send less, "
            "or set online_mode");
  peer.say(beginning(offline));
  EXPECT_EQ(peer.hear_until("writer_closed").size(), 29u);
}

TEST_F(Ditto, sets_live_options_of_the_running_stream) {
  Gate gate;
  const auto server = serve({}, gate.hook());
  Peer peer(*server);
  peer.say({{"type", "set_options"}, {"options", {{"shade", 1}}}});
  EXPECT_EQ(peer.hear()["message"], "no stream runs for this client");
  peer.say(beginning());
  peer.hear_until("metadata");
  peer.say({{"type", "set_options"}, {"options", {{"shade", 1}, {"emo", {1, 2}}}}});
  const json set = peer.hear();
  EXPECT_EQ(set["type"], "options_set");
  EXPECT_EQ(set["options"], (json{{"shade", 1}, {"emo", "[1,2]"}}));
  peer.say({{"type", "set_options"}, {"options", {{"chunksize", {1, 2, 3}}}}});
  EXPECT_THAT(peer.hear()["message"].get<std::string>(), HasSubstr("chunksize cannot be changed while a session runs"));
  gate.let_go();
  peer.hear_until("writer_closed");
}

TEST_F(Ditto, streams_speech_of_unknown_length_that_comes_by_the_native_api) {
  const auto server = serve();
  Peer peer(*server);
  peer.say(beginning({{"audio_path", "live:"}}));
  peer.hear_until("metadata");
  EXPECT_TRUE(peer.newest["expected_frames"].is_null());
  const std::string session = "/v1/sessions/" + peer.newest["session_id"].get<std::string>();
  EXPECT_EQ(
      server->request("POST", session + "/audio?format=s16le&rate=16000&end=true", std::string(6400, '\x10')).status,
      202);
  for (int id = 0; id < 5; ++id) EXPECT_EQ(peer.hear()["frame_id"], id);
  peer.say({{"type", "stop_streaming"}});
  EXPECT_EQ(peer.hear()["type"], "streaming_stopped");
}

TEST_F(Ditto, has_the_published_pages_where_its_api_is_named_and_the_house_has_its_own_elsewhere) {
  const auto server = serve();
  const Reply page = server->request("GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.headers.at("content-type"), HasSubstr("text/html"));
  EXPECT_THAT(page.body, HasSubstr("<title>Ditto Streaming Server</title>"));
  EXPECT_THAT(page.body, HasSubstr("ws://127.0.0.1:" + std::to_string(server->port()) + "/ws/{client_id}"));
  EXPECT_THAT(server->request("GET", "/demo").body, HasSubstr("start_streaming"));
  for (const auto& [method, path] : {std::pair{"GET", "/none"}, {"POST", "/none"}}) {
    const Reply reply = server->request(method, path);
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.json(), (json{{"detail", "Not Found"}}));
  }
  const auto everything = start();
  EXPECT_EQ(everything->request("GET", "/health").json(), (json{{"status", "ok"}}));
  EXPECT_EQ(everything->request("GET", "/demo").status, 200);
  EXPECT_THAT(everything->request("GET", "/").body, HasSubstr("rushes is running"));
}

TEST_F(Ditto, says_that_there_is_no_model_of_its_family) {
  const auto server = start([&](ServerOptions& options) { options.frame_streams.file_root = root_.path; });
  Peer peer(*server);
  peer.say(beginning());
  EXPECT_EQ(peer.hear()["type"], "streaming_started");
  EXPECT_THAT(peer.hear()["message"].get<std::string>(), HasSubstr("no model of the family ditto"));
}

TEST_F(Ditto, tells_its_clients_that_the_server_ends) {
  Gate gate;
  auto server =
      serve([](ServerOptions& options) { options.connections.closing = std::chrono::milliseconds(100); }, gate.hook());
  Peer idle(*server, "/ws/idle"), busy(*server, "/ws/busy");
  busy.say(beginning());
  busy.hear_until("metadata");
  server->ask_to_stop();
  gate.let_go();
  EXPECT_EQ(idle.client.read_message().opcode, 8);
  busy.hear_until("error");
  EXPECT_EQ(busy.newest["message"], "Streaming error: the server is shutting down");
  EXPECT_EQ(busy.client.read_message().opcode, 8);
  server->stop();
}

}  // namespace
}  // namespace rushes::server
