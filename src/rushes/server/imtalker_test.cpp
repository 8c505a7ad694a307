// What IMTalker's servers have beside chunked sessions: files that were made, portraits, lines of JSON, other names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/server/talk_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

std::string speech(int64_t samples) { return media::wav_file(media::test_sound(samples, 16'000), 16'000); }

void with_an_example(ServerOptions& options) {
  options.talk_examples = options.data_directory.parent_path() / "examples";
  std::filesystem::create_directory(options.talk_examples);
  std::ofstream(options.talk_examples / "ada.png") << picture();
}

TEST_F(TalkServer, files_that_were_made_are_listed_sent_and_removed) {
  const auto server = start();
  EXPECT_EQ(server->request("GET", "/api/outputs").json(), json::parse(R"({"count": 0, "files": []})"));
  const Reply made =
      post(*server, "/api/audio-driven", FormBody().add("image", picture(), true).add("audio", speech(8'000), true));
  ASSERT_EQ(made.status, 200) << made.body.substr(0, 300);
  const json list = server->request("GET", "/api/outputs").json();
  ASSERT_EQ(list["count"], 1) << list;
  const json& file = list["files"][0];
  const std::string name = file["filename"];
  EXPECT_EQ("./outputs/" + name, made.headers.at("x-output-path"));
  EXPECT_EQ(file["size"], made.body.size());
  EXPECT_GT(file["created"], 1.6e9);
  EXPECT_GE(file["modified"], file["created"]);
  const Reply again = server->request("GET", "/api/outputs/" + name);
  EXPECT_EQ(again.headers.at("content-type"), "video/mp4");
  EXPECT_EQ(again.body, made.body);
  EXPECT_EQ(server->request("DELETE", "/api/outputs/" + name).json()["message"], "File " + name + " deleted");
  for (const std::string& gone : {name, std::string("..%2f..%2fetc%2fpasswd"), std::string("x.mp4")}) {
    const Reply missing = server->request("GET", "/api/outputs/" + gone);
    EXPECT_EQ(missing.status, 404) << gone;
    EXPECT_EQ(missing.json()["detail"], "File not found");
  }
}

TEST_F(TalkServer, chunked_sessions_are_no_outputs) {
  const auto server = start();
  ASSERT_EQ(init(*server, "abc").status, 200);
  EXPECT_EQ(server->request("GET", "/api/outputs").json()["count"], 0);
  EXPECT_EQ(server->request("GET", "/api/outputs/abc.mp4").status, 404);
}

TEST_F(TalkServer, the_portrait_of_a_picture_is_cut_out_in_the_wanted_format) {
  const auto server = start();
  struct Case {
    const char *format, *type;
    int64_t side;
  };
  for (const Case& wanted : {Case{"jpeg", "image/jpeg", 512},
                             {"jpg", "image/jpeg", 64},
                             {"png", "image/png", 100},
                             {"webp", "image/webp", 200}}) {
    FormBody form;
    form.add("file", picture(), true).add("format", wanted.format);
    if (wanted.side != 512) form.add("output_size", std::to_string(wanted.side));
    const Reply cut = post(*server, "/crop", form);
    ASSERT_EQ(cut.status, 200) << cut.body.substr(0, 300);
    EXPECT_EQ(cut.headers.at("content-type"), wanted.type);
    const media::Image image =
        media::decode_image({reinterpret_cast<const uint8_t*>(cut.body.data()), cut.body.size()});
    EXPECT_EQ(image.width, wanted.side);
    EXPECT_EQ(image.height, wanted.side);
  }
}

TEST_F(TalkServer, portraits_that_cannot_be_cut_are_refused_in_the_published_words) {
  const auto server = start();
  const auto crop = [&](const char* field, const char* value) {
    return post(*server, "/crop", FormBody().add("file", picture(), true).add(field, value));
  };
  EXPECT_EQ(crop("format", "bmp").status, 400);
  EXPECT_EQ(crop("format", "bmp").json()["detail"], "Invalid format. Use jpeg, png, or webp");
  EXPECT_EQ(crop("crop_scale", "2.5").json()["detail"][0]["type"], "less_than_equal");
  EXPECT_EQ(crop("crop_scale", "0.1").status, 422);
  EXPECT_EQ(crop("output_size", "63").json()["detail"][0]["type"], "greater_than_equal");
  const Reply broken = post(*server, "/crop", FormBody().add("file", "no picture", true));
  EXPECT_EQ(broken.status, 500);
  EXPECT_THAT(broken.json()["detail"].get<std::string>(), testing::StartsWith("Crop failed: "));
  EXPECT_EQ(post(RunningServer(), "/crop", FormBody().add("file", picture(), true)).json()["detail"],
            "Models not loaded");
}

TEST_F(TalkServer, lines_of_json_bring_pictures_and_each_sound_once) {
  const auto server = start(with_an_example);
  const json avatars = server->request("GET", "/api/avatars").json()["avatars"];
  ASSERT_TRUE(avatars.contains("assets/ada.png")) << avatars;
  EXPECT_EQ(avatars["assets/ada.png"]["name"], "ada");
  const Reply reply = post(*server, "/generate_stream",
                           FormBody().add("avatar", "assets/ada.png").add("audio", speech(16'000 + 640 * 2), true));
  ASSERT_EQ(reply.status, 200) << reply.body.substr(0, 300);
  EXPECT_EQ(reply.headers.at("content-type"), "application/x-ndjson");
  std::istringstream lines(reply.body);
  std::size_t pictures = 0, count = 0, sound = 0;
  json last;
  for (std::string line; std::getline(lines, line); ++count) {
    last = json::parse(line);
    EXPECT_EQ(last["metrics"]["chunk_id"], count);
    EXPECT_EQ(last["metrics"]["is_first_batch"], count == 0);
    EXPECT_EQ(last["metrics"]["num_frames"], last["frames"].size());
    EXPECT_EQ(last["metrics"]["total_chunk_frames"], 27);
    for (const json& frame : last["frames"]) EXPECT_THAT(frame.get<std::string>(), testing::StartsWith("/9j/"));
    pictures += last["frames"].size();
    sound += last["audio"].get<std::string>().size() / 4 * 3;
  }
  EXPECT_EQ(pictures, 27u);
  EXPECT_EQ(last["metrics"]["is_last_batch"], true);
  EXPECT_NEAR(static_cast<double>(sound), 2.0 * 640 * 27 + 44.0 * static_cast<double>(count),
              3.0 * static_cast<double>(count));
  EXPECT_EQ(
      post(*server, "/generate_stream", FormBody().add("avatar", "assets/../ada.png").add("audio", speech(640), true))
          .status,
      404);
}

TEST_F(TalkServer, text_is_spoken_where_there_is_a_voice) {
  const auto server = start(with_an_example);
  const std::string as_json = "Content-Type: application/json\r\n";
  const Reply speech = post(*server, "/api/tts/generate", FormBody().add("text", "Good morning, my friend."));
  if (speech.status == 503) {
    EXPECT_THAT(speech.json()["detail"].get<std::string>(), HasSubstr("libespeak-ng1"));
    GTEST_SKIP() << "espeak-ng is not installed";
  }
  ASSERT_EQ(speech.status, 200);
  EXPECT_THAT(speech.body, testing::StartsWith("RIFF"));
  const double seconds = static_cast<double>(speech.body.size() - 44) / 2 / 22'050;
  EXPECT_GT(seconds, 0.8);
  const Reply lines = server->request(
      "POST", "/generate_stream", R"({"text": "Good morning, my friend.", "avatar": "assets/source_1.png"})", as_json);
  for (const Reply& reply :
       {lines, server->request("GET", "/generate_stream_get?text=Good%20morning,%20my%20friend.")}) {
    ASSERT_EQ(reply.status, 200) << reply.body.substr(0, 300);
    std::istringstream all(reply.body);
    std::size_t pictures = 0;
    for (std::string line; std::getline(all, line);) pictures += json::parse(line)["frames"].size();
    EXPECT_NEAR(static_cast<double>(pictures), 25 * seconds, 1.0);
  }
  const Reply made =
      server->request("POST", "/generate", R"({"text": "Hello.", "output_path": "/etc/passwd"})", as_json);
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_GT(made.json()["frames"], 5);
  const std::string path = made.json()["output_path"];
  EXPECT_EQ(server->request("GET", "/api/outputs/" + path.substr(path.rfind('/') + 1)).status, 200);
  for (const char* body : {R"({"text": " "})", R"({"avatar": "assets/ada.png"})", R"({"text": 5})", "[]", "{"})
    EXPECT_EQ(server->request("POST", "/generate", body, as_json).status, 400) << body;
  EXPECT_EQ(server->request("POST", "/generate", R"({"text": "x", "avatar": "assets/source_7.png"})", as_json).status,
            404);
  EXPECT_EQ(server->request("POST", "/generate", "{\"text\": \"" + std::string(5000, 'a') + "\"}", as_json).status,
            400);
}

TEST_F(TalkServer, what_is_not_here_says_so) {
  const auto server = start();
  EXPECT_EQ(server->request("POST", "/api/avatar/voice").status, 503);
  EXPECT_EQ(server->request("POST", "/api/trt-inference").status, 503);
}

TEST_F(TalkServer, the_combined_servers_words_for_the_same_sessions_are_known) {
  const auto server = start();
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  EXPECT_EQ(server->request("GET", "/api/status/abc").json()["is_complete"], false);
  EXPECT_EQ(server->request("GET", "/api/chunked/status/abc").json()["status"], "waiting_for_audio");
  ASSERT_EQ(post(*server, "/api/audio-driven/chunked/feed",
                 FormBody().add("session_id", "abc").add("audio_chunk", speech(16'000), true).add("is_final", "true"))
                .status,
            200);
  wait_for(*server, "abc", "complete");
  const json ready = server->request("GET", "/api/status/abc").json();
  EXPECT_EQ(ready["is_complete"], true);
  EXPECT_EQ(ready["playlist_ready"], true);
  EXPECT_EQ(ready["playlist_url"], "/hls/abc/playlist.m3u8");
  const json status = server->request("GET", "/api/chunked/status/abc").json();
  EXPECT_EQ(status["total_frames"], 25);
  EXPECT_TRUE(status["error_message"].is_null());
  EXPECT_EQ(server->request("POST", "/api/session/cleanup?session_id=nobody").json()["cleaned_sessions"],
            json::array());
  EXPECT_EQ(server->request("POST", "/api/session/cleanup").json()["cleaned_sessions"], json::array({"abc"}));
  EXPECT_EQ(server->request("GET", "/api/status/abc").status, 404);
  EXPECT_EQ(server->request("POST", "/warmup").json()["status"], "ok");
}

}  // namespace
}  // namespace rushes::server
