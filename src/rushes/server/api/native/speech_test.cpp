// What is fed to a session with speech, as the native API does it: pieces, utterances, WebSocket; beside sessions that
// are not fed, in one table.
#include <gmock/gmock.h>

#include "rushes/server/http/base64.h"
#include "rushes/server/talk_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

class Speech : public TalkServer {
 protected:
  static json begin(const RunningServer& server, const json& options = json::object()) {
    const std::string png = picture();
    const std::string image = encode_base64({reinterpret_cast<const uint8_t*>(png.data()), png.size()});
    json request{{"model", "heads"}, {"image", image}};
    request.update(options);
    const Reply reply = server.request("POST", "/v1/sessions", request.dump());
    EXPECT_EQ(reply.status, 201) << reply.body;
    return reply.json();
  }
  static std::string path(const json& session) { return session["urls"]["self"]; }
  /// Asks until `wanted` holds.
  template <typename Wanted>
  static json ask_until(const RunningServer& server, const std::string& url, Wanted wanted) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      json now = server.request("GET", url).json();
      if (wanted(now) || std::chrono::steady_clock::now() > deadline) return now;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  /// So many samples of s16le.
  static std::string pcm(std::size_t samples) { return std::string(samples * 2, '\x10'); }
};

TEST_F(Speech, a_session_speaks_one_utterance_after_the_other) {
  const auto server = start();
  const json session = begin(*server);
  EXPECT_EQ(session["speech"]["received_s"], 0);
  const std::string audio = path(session) + "/audio?format=s16le&rate=16000";
  for (const int64_t said : {1, 2}) {
    EXPECT_EQ(server->request("POST", audio, pcm(8000)).status, 202);
    const Reply last = server->request("POST", audio + "&end=true", pcm(1000));
    EXPECT_EQ(last.status, 202) << last.body;
    EXPECT_EQ(last.json()["speech"]["received_s"].get<double>(), 0.5625 * static_cast<double>(said));
    const json rests =
        ask_until(*server, path(session), [](const json& now) { return now["speech"]["at_rest"] == true; });
    EXPECT_EQ(rests["speech"]["utterances"], said) << rests;
    EXPECT_EQ(rests["done"]["video_frames"], 15 * said);  // 9000 samples are 14.06 frames; the last one is filled
    EXPECT_EQ(rests["state"], "waiting");
  }
  EXPECT_EQ(server->request("POST", path(session) + "/stop").status, 200);
  const Reply late = server->request("POST", audio, pcm(10));
  EXPECT_EQ(late.status, 409) << late.body;
  const Reply video = server->request("GET", path(session) + "/video.mp4");
  EXPECT_EQ(media::decode_bytes("spoken.mp4", {video.body.begin(), video.body.end()}).size(), 30u);
}

TEST_F(Speech, that_is_heard_as_one_is_spoken_when_its_utterance_is_complete_and_ends_the_session) {
  const auto server = start();
  const json session = begin(*server, {{"online_mode", false}});
  const std::string audio = path(session) + "/audio?format=s16le&rate=16000";
  EXPECT_EQ(server->request("POST", audio, pcm(8000)).status, 202);
  EXPECT_EQ(server->request("POST", audio + "&end=true", pcm(1600)).status, 202);
  const json ended = ask_until(*server, path(session), [](const json& now) { return now["state"] == "finished"; });
  EXPECT_EQ(ended["state"], "finished");
  EXPECT_EQ(ended["done"]["video_frames"], 15);
  EXPECT_EQ(ended["speech"]["at_rest"], true);
  EXPECT_EQ(ended["speech"]["utterances"], 1);
  EXPECT_EQ(server->request("POST", audio, pcm(10)).status, 409);
}

TEST_F(Speech, what_would_find_no_room_later_either_is_told_so_and_nothing_is_lost) {
  const auto server = start([](ServerOptions& options) { options.sessions.max_waiting_speech = 2; });
  const json session = begin(*server), whole = begin(*server, {{"online_mode", false}});
  const std::string query = "/audio?format=s16le&rate=16000";
  const Reply long_piece = server->request("POST", path(session) + query, pcm(3 * 16'000));
  EXPECT_EQ(long_piece.status, 413);
  EXPECT_THAT(long_piece.body, HasSubstr("3 s of speech in one piece are too long: at most 2 s may wait to be spoken; "
                                         "send shorter pieces"));
  EXPECT_EQ(server->request("POST", path(session) + query, pcm(16'000)).status, 202);

  EXPECT_EQ(server->request("POST", path(whole) + query, pcm(2 * 16'000)).status, 202);
  const Reply too_much = server->request("POST", path(whole) + query, pcm(16'000));
  EXPECT_EQ(too_much.status, 413);
  EXPECT_THAT(too_much.body, HasSubstr("3 s of speech are too long: all is heard before frames are made, at most 2 s; "
                                       "send less, or set online_mode"));
  EXPECT_EQ(server->request("GET", path(whole)).json()["speech"]["received_s"], 2);
}

TEST_F(Speech, live_options_show_from_the_next_frame_on) {
  const auto server = start();
  const json session = begin(*server);
  const std::string audio = path(session) + "/audio?format=s16le&rate=16000&end=true";
  const auto say = [&](int64_t utterances) {
    EXPECT_EQ(server->request("POST", audio, pcm(3200)).status, 202);
    ask_until(*server, path(session), [&](const json& now) { return now["speech"]["utterances"] == utterances; });
  };
  say(1);
  const Reply set = server->request("POST", path(session) + "/options", R"({"shade": 1})");
  ASSERT_EQ(set.status, 202) << set.body;
  EXPECT_EQ(set.json()["options"], (json{{"shade", 1.0}}));
  EXPECT_EQ(set.json()["state"], "waiting") << "nothing is made because of an option";
  say(2);
  const struct {
    const char *body, *words;
  } refused[] = {
      {R"({"shade": 2})", "shade must be a number from 0 to 1 (got 2)"},
      {R"({"cfg_scale": 2})", "cfg_scale cannot be changed while a session runs; with this model these can: shade"},
      {R"({"hue": {"of": "it"}})", "hue cannot be changed while a session runs; with this model these can: shade"},
      {R"([0.5])", "the body must be a JSON object"},
  };
  for (const auto& each : refused) {
    const Reply reply = server->request("POST", path(session) + "/options", each.body);
    EXPECT_EQ(reply.status, 400) << each.body;
    EXPECT_THAT(reply.body, HasSubstr(each.words));
  }
  const json live = server->request("GET", "/v1/models/heads").json()["options"];
  for (const json& option : live) EXPECT_EQ(option["live"], option["name"] == "shade");
  server->request("POST", path(session) + "/stop");
  EXPECT_EQ(server->request("POST", path(session) + "/options", R"({"shade": 0})").status, 409);
  const Reply video = server->request("GET", path(session) + "/video.mp4");
  const auto frames = media::decode_bytes("shaded.mp4", {video.body.begin(), video.body.end()});
  ASSERT_EQ(frames.size(), 10u);
  EXPECT_GT(frames[4].rgb.front(), 24);
  EXPECT_LT(frames[5].rgb.front(), 8);
}

TEST_F(Speech, speech_comes_as_a_sound_file_too) {
  const auto server = start();
  const json session = begin(*server);
  const Reply fed =
      server->request("POST", path(session) + "/audio?end=true", media::wav_file(media::test_audio(12'000), 24'000));
  ASSERT_EQ(fed.status, 202) << fed.body;
  const json rests =
      ask_until(*server, path(session), [](const json& now) { return now["speech"]["at_rest"] == true; });
  EXPECT_EQ(rests["done"]["video_frames"], 13);  // half a second
}

TEST_F(Speech, a_body_says_how_its_samples_are_written) {
  const auto server = start();
  const struct {
    const char *query, *type;
    std::string bytes;
  } cases[] = {{"?end=true&format=f32le&rate=8000", "", std::string(16'000, '\0')},
               {"?end=true&format=s16le&rate=8000&channels=2", "", pcm(8000)},
               {"?end=true", "audio/L16;rate=16000", pcm(8000)},
               {"?end=true", "audio/pcm;rate=8000;channels=2", pcm(8000)},
               {"?end=true", "audio/pcm", pcm(8000)}};
  for (const auto& each : cases) {
    SCOPED_TRACE(testing::Message() << each.query << " " << each.type);
    const json session = begin(*server);
    const std::string header = *each.type ? std::string("Content-Type: ") + each.type + "\r\n" : std::string();
    const Reply fed = server->request("POST", path(session) + "/audio" + each.query, each.bytes, header);
    ASSERT_EQ(fed.status, 202) << fed.body;
    EXPECT_EQ(fed.json()["speech"]["received_s"], 0.5);
  }
}

TEST_F(Speech, a_file_may_be_cut_anywhere) {
  const auto server = start();
  const json session = begin(*server);
  const std::string file = media::wav_file(media::test_audio(16'000), 16'000, 1, 0xffffffff);
  for (std::size_t at = 0; at < file.size(); at += 5001)
    ASSERT_EQ(server->request("POST", path(session) + "/audio", file.substr(at, 5001)).status, 202);
  const Reply end = server->request("POST", path(session) + "/audio?end=true");
  EXPECT_EQ(end.json()["speech"]["received_s"], 1.0) << end.body;
}

TEST_F(Speech, a_stereo_file_with_an_inverted_channel_is_heard_and_told) {
  const auto server = start();
  const json session = begin(*server);
  std::string samples;
  for (const float value : media::test_audio(8000))
    for (const int sign : {1, -1})
      media::append_number(samples, static_cast<uint16_t>(static_cast<int16_t>(sign * std::lround(value * 32767))), 2);
  const std::string url = path(session) + "/audio?end=true&format=s16le&channels=2";
  const Reply fed = server->request("POST", url, samples);
  ASSERT_EQ(fed.status, 202) << fed.body;
  EXPECT_THAT(fed.json()["warnings"][0].get<std::string>(), HasSubstr("cancel each other"));
}

TEST_F(Speech, that_has_ended_at_rest_stays_so) {
  const auto server = start();
  const json session = begin(*server);
  server->request("POST", path(session) + "/audio?end=true&format=s16le", pcm(8000));
  ask_until(*server, path(session), [](const json& now) { return now["speech"]["at_rest"] == true; });
  const Reply stopped = server->request("POST", path(session) + "/stop");
  EXPECT_EQ(stopped.json()["state"], "stopped");
  EXPECT_EQ(stopped.json()["speech"]["at_rest"], true);
}

TEST_F(Speech, a_websocket_carries_the_pieces_of_a_file) {
  const auto server = start();
  const json session = begin(*server);
  TestClient speaker(server->port());
  ASSERT_EQ(speaker.upgrade(path(session) + "/audio").status, 101);
  const std::string file = media::wav_file(media::test_audio(6000), 16'000, 1, 0xffffffff);
  for (std::size_t at = 0; at < file.size(); at += 100) speaker.write_frame(2, file.substr(at, 100));
  speaker.write_frame(1, "end");
  const json rests =
      ask_until(*server, path(session), [](const json& now) { return now["speech"]["at_rest"] == true; });
  EXPECT_EQ(rests["done"]["video_frames"], 10);
  EXPECT_EQ(rests["speech"]["received_s"], 0.375);
}

TEST_F(Speech, a_websocket_carries_mp3_which_has_no_magic_word_beside_samples) {
  const auto server = start();
  const std::string stream = media::silent_mp3(38);  // 0.99 s; as samples it would be half of that
  for (const std::size_t size : {std::size_t{300}, std::size_t{4000}, stream.size()}) {
    SCOPED_TRACE(size);
    const json session = begin(*server);
    TestClient speaker(server->port());
    ASSERT_EQ(speaker.upgrade(path(session) + "/audio?rate=16000").status, 101);
    for (std::size_t at = 0; at < stream.size(); at += size) speaker.write_frame(2, stream.substr(at, size));
    speaker.write_frame(1, "end");
    const json rests =
        ask_until(*server, path(session), [](const json& now) { return now["speech"]["at_rest"] == true; });
    EXPECT_NEAR(rests["speech"]["received_s"].get<double>(), 0.99, 0.06);
  }
}

TEST_F(Speech, a_file_that_breaks_off_before_its_index_is_an_error_at_its_end) {
  const auto server = start();
  const json session = begin(*server);
  const std::string file = media::mp4_without_index();
  for (std::size_t at = 0; at < file.size(); at += 1000)
    EXPECT_EQ(server->request("POST", path(session) + "/audio", file.substr(at, 1000)).status, 202);
  const Reply end = server->request("POST", path(session) + "/audio?end=true");
  EXPECT_EQ(end.status, 422) << end.body;
  EXPECT_THAT(end.body, HasSubstr("before its index (moov)"));
  EXPECT_EQ(server->request("POST", path(session) + "/audio?end=true&format=s16le", pcm(8000)).status, 202);
}

TEST_F(Speech, files_that_are_kept_until_their_end_count_as_inputs) {
  const auto server = start([](ServerOptions& options) { options.sessions.max_input_bytes = 2 * 64 * 64 * 3 + 6000; });
  const json first = begin(*server), second = begin(*server);
  const std::string file = media::mp4_without_index();
  EXPECT_EQ(server->request("POST", path(first) + "/audio", file).status, 202);
  EXPECT_EQ(server->request("POST", path(second) + "/audio", file).status, 429);
  EXPECT_EQ(server->request("POST", path(first) + "/audio?end=true").status, 422);
  EXPECT_EQ(server->request("POST", path(second) + "/audio", file).status, 202);
}

TEST_F(Speech, is_charged_as_long_as_it_is_at_its_own_rate) {
  constexpr int64_t kHz = 48'000, kPicture = 64 * 64 * 3;  // the session hears 16 kHz: a third of the bytes
  const std::string two_seconds = media::wav_file(media::test_audio(2 * kHz, kHz), kHz);
  const auto status = [&](int64_t room) {
    const auto server = start([&](ServerOptions& options) { options.sessions.max_input_bytes = kPicture + room; });
    const json session = begin(*server);
    const Reply reply = server->request("POST", path(session) + "/audio", two_seconds);
    if (reply.status != 202) {
      EXPECT_THAT(reply.body, HasSubstr("--max-input-mib"));
      EXPECT_THAT(server->request("GET", "/metrics").body,
                  HasSubstr("\nrushes_input_bytes " + std::to_string(kPicture) + "\n"));
    }
    return reply.status;
  };
  EXPECT_EQ(status(2 * kHz * 4 + 1000), 202);
  EXPECT_EQ(status(2 * kHz * 4 - 1000), 429);
}

TEST_F(Speech, a_websocket_carries_samples_samples_and_the_ends_of_utterances) {
  const auto server = start();
  const json session = begin(*server);
  TestClient speaker(server->port());
  ASSERT_EQ(speaker.upgrade(path(session) + "/audio?rate=16000").status, 101);
  for (int i = 0; i < 100; ++i) speaker.write_frame(2, pcm(60));
  speaker.write_frame(1, "end");
  const json rests =
      ask_until(*server, path(session), [](const json& now) { return now["speech"]["at_rest"] == true; });
  EXPECT_EQ(rests["done"]["video_frames"], 10);  // 6000 samples, the last frame filled
  speaker.write_frame(1, "over");
  Frame refusal = speaker.read_message();
  EXPECT_EQ(refusal.opcode, 8);
  EXPECT_THAT(refusal.payload, HasSubstr("a text message must be 'end'"));
}

TEST_F(Speech, sessions_of_both_kinds_share_one_table) {
  const auto server = start();
  const json head = begin(*server);
  const Reply drawn = server->request("POST", "/v1/sessions", R"({"prompt":"a red circle"})");
  ASSERT_EQ(drawn.status, 201) << drawn.body;
  EXPECT_EQ(drawn.json()["speech"], nullptr);
  EXPECT_EQ(drawn.json()["model"], "drawing");
  EXPECT_EQ(head["model"], "heads");
  EXPECT_EQ(server->request("GET", "/v1/sessions").json()["sessions"].size(), 2u);
  EXPECT_EQ(server->request("DELETE", path(head)).status, 204);
  EXPECT_EQ(server->request("GET", path(head)).status, 404);
}

}  // namespace
}  // namespace rushes::server
