// Every route that begins a talking head tells what of the request was used, and holds memory for its picture and
// speech once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/server/talk_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

const json kBox{10, 20, 30, 40};

/// Two channels that are each other's opposite.
std::string cancelling_speech(std::size_t samples) {
  std::string file = media::wav_file(media::test_audio(samples, 16'000), 16'000, 2);
  for (std::size_t at = 44; at + 4 <= file.size(); at += 4) {
    const auto left = static_cast<uint16_t>(static_cast<uint8_t>(file[at]) | static_cast<uint8_t>(file[at + 1]) << 8);
    const auto right = static_cast<uint16_t>(-left);
    file[at + 2] = static_cast<char>(right);
    file[at + 3] = static_cast<char>(right >> 8);
  }
  return file;
}

/// A request whose face is chosen, with a field that nobody knows.
FormBody asking(const char* image = "image") {
  return FormBody().add(image, picture(), true).add("face", "10,20,30,40").add("colour", "red");
}

FormBody with_speech() { return asking().add("audio", cancelling_speech(8'000), true); }

enum class Warned { yes, no };

void expect_in_answer(const Reply& reply, Warned warned) {
  ASSERT_EQ(reply.status, 200) << reply.body.substr(0, 300);
  const json answer = reply.json();
  EXPECT_EQ(answer.value("face", json()), kBox) << answer;
  EXPECT_TRUE(answer.contains("faces")) << answer;
  EXPECT_EQ(answer.value("/ignored/0/field"_json_pointer, ""), "colour") << answer;
  EXPECT_EQ(answer.contains("warnings"), warned == Warned::yes) << answer;
}

void expect_in_headers(const Reply& reply, Warned warned) {
  ASSERT_EQ(reply.status, 200) << reply.body.substr(0, 300);
  const auto header = [&](const char* name) {
    const auto found = reply.headers.find(name);
    return found == reply.headers.end() ? std::string() : found->second;
  };
  EXPECT_EQ(header("x-ignored-fields"), "colour");
  const json notes = json::parse(header("x-notes"), nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(notes.is_object()) << header("x-notes");
  EXPECT_EQ(notes.value("face", json()), kBox) << notes;
  EXPECT_EQ(notes.contains("warnings"), warned == Warned::yes) << notes;
}

TEST_F(TalkServer, every_route_that_answers_in_json_tells_the_face_the_warnings_and_the_ignored_fields) {
  generation::Gate gate;
  const auto server = start({}, [hook = gate.hook()](const generation::Request& request) { hook(request, 0); });
  expect_in_answer(post(*server, "/api/audio-driven/chunked/init", asking().add("session_id", "abc")), Warned::no);
  const Reply fed = feed(*server, "abc", cancelling_speech(8'000), false);
  EXPECT_THAT(fed.json()["warnings"][0].get<std::string>(), HasSubstr("cancel each other"));
  EXPECT_EQ(fed.json()["face"], kBox);
  expect_in_answer(post(*server, "/api/realtime/init", asking()), Warned::no);
  // The second one waits until the first has spoken, and has its own notes.
  expect_in_answer(post(*server, "/api/audio-driven/stream", with_speech().add("unique_id", "x")), Warned::yes);
  const std::string clean = media::wav_file(media::test_audio(8'000), 16'000);
  const Reply second = post(*server, "/api/audio-driven/stream",
                            FormBody().add("image", picture(), true).add("audio", clean, true).add("unique_id", "x"));
  for (const char* name : {"face", "ignored", "warnings"}) EXPECT_FALSE(second.json().contains(name)) << second.body;
  gate.open();
  server->stop();
}

TEST_F(TalkServer, every_route_that_answers_with_a_video_tells_them_in_headers) {
  const auto server = start();
  for (const char* path : {"/api/audio-driven", "/api/realtime-sse", "/api/realtime-mjpeg", "/generate_stream"}) {
    SCOPED_TRACE(path);
    expect_in_headers(post(*server, path, with_speech()), Warned::yes);
  }
  for (const char* path : {"/api/video-driven", "/api/v1/video-driven/stream"}) {
    SCOPED_TRACE(path);
    const std::string video = driving_video(8, 25);
    expect_in_headers(post(*server, path, asking().add("video", video, true)), Warned::no);
  }
}

TEST_F(TalkServer, a_portrait_that_is_cut_out_comes_with_the_face_that_was_chosen) {
  const auto server = start();
  expect_in_headers(post(*server, "/crop", asking("file")), Warned::no);
}

TEST_F(TalkServer, a_picture_and_its_speech_are_charged_once_until_their_session_has_them) {
  constexpr std::size_t kSamples = 16'000;
  constexpr int64_t kPicture = 64 * 64 * 3, kSpeech = kSamples * 4;
  const std::string speech = media::wav_file(media::test_audio(kSamples), 16'000);
  generation::Gate gate;
  const auto server = start([](ServerOptions& options) { options.sessions.max_input_bytes = kPicture + kSpeech; },
                            [hook = gate.hook()](const generation::Request& request) { hook(request, 0); });
  const auto used = [&] {
    const std::string metrics = server->request("GET", "/metrics").body;
    return std::stoll(metrics.substr(metrics.find("\nrushes_input_bytes ") + 20));
  };
  const FormBody form = FormBody().add("image", picture(), true).add("audio", speech, true).add("unique_id", "x");
  const Reply fits = post(*server, "/api/audio-driven/stream", form);
  EXPECT_EQ(fits.status, 200) << fits.body;
  EXPECT_EQ(used(), kPicture + kSpeech);
  EXPECT_EQ(post(*server, "/generate_stream", form).status, 429);  // it fits no more
  gate.open();
  wait_for(*server, "x", "complete");
  server->stop();
}

}  // namespace
}  // namespace rushes::server
