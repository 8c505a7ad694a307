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
  static json begin(const RunningServer& server) {
    const std::string png = picture();
    const std::string image = encode_base64({reinterpret_cast<const uint8_t*>(png.data()), png.size()});
    const Reply reply = server.request("POST", "/v1/sessions", json{{"model", "heads"}, {"image", image}}.dump());
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

TEST_F(Speech, a_websocket_carries_samples_and_the_ends_of_utterances) {
  const auto server = start();
  const json session = begin(*server);
  TestClient speaker(server->port());
  ASSERT_EQ(speaker.upgrade(path(session) + "/audio?rate=16000").status, 101);
  for (int i = 0; i < 100; ++i) speaker.write_frame(2, pcm(60));  // the client knows short frames only
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
