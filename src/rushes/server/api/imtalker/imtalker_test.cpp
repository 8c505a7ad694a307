// What IMTalker's servers have beside chunked sessions: files that were made, portraits, lines of JSON, other names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/media/audio_decoder.h"
#include "rushes/server/api/ditto/ditto_test_server.h"
#include "rushes/server/process_usage.h"
#include "rushes/server/talk_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

std::string speech(int64_t samples) { return media::wav_file(media::test_audio(samples, 16'000), 16'000); }

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

TEST_F(TalkServer, models_of_other_families_that_hear_speech_are_left_to_their_own_routes) {
  std::vector<ModelSource> models;
  models.push_back(
      {.name = "others", .load = [] { return std::make_shared<DrawingDitto>(nullptr); }, .at_start = true});
  models.push_back(
      {.name = "heads", .load = [] { return std::make_shared<generation::DrawingTalkModel>(); }, .at_start = true});
  const RunningServer both({}, std::move(models));
  ASSERT_EQ(init(both, "a").status, 200);
  EXPECT_EQ(both.request("GET", "/v1/sessions").json()["sessions"][0]["model"], "heads");
  models.clear();
  models.push_back(
      {.name = "others", .load = [] { return std::make_shared<DrawingDitto>(nullptr); }, .at_start = true});
  const RunningServer without({}, std::move(models));
  EXPECT_EQ(init(without, "a").status, 503);
}

TEST_F(TalkServer, a_piece_of_speech_without_samples_changes_nothing) {
  const auto server = start();
  for (const char* mode : {"aligned", "reference"}) {
    init(*server, mode, mode);
    const std::string nothing = media::wav_file({}, 24'000), wav = media::wav_file(media::test_audio(12'000), 24'000);
    for (const std::string& piece : {nothing, wav, nothing, nothing}) {
      const Reply fed = feed(*server, mode, piece, false);
      EXPECT_EQ(fed.status, 200) << fed.body.substr(0, 300);
    }
    EXPECT_EQ(feed(*server, mode, wav, true).json()["buffer_samples"], 16'000);
    EXPECT_GE(wait_for(*server, mode, "complete")["total_frames_generated"], 25);
  }
}

TEST_F(TalkServer, a_final_piece_completes_a_head_to_which_nothing_was_said) {
  const auto server = start();
  for (const char* mode : {"aligned", "reference"})
    for (const std::string& nothing : {std::string(), media::wav_file({}, 24'000)}) {
      const std::string id = mode + std::to_string(nothing.size());
      init(*server, id, mode);
      EXPECT_EQ(feed(*server, id, nothing, true).status, 200);
      EXPECT_EQ(wait_for(*server, id, "complete")["total_frames_generated"], 0);
      EXPECT_THAT(server->request("GET", "/hls/" + id + "/playlist.m3u8").body, HasSubstr("#EXT-X-ENDLIST"));
      EXPECT_EQ(feed(*server, id, speech(16'000), true).status, 200);  // and it can be fed again
      EXPECT_GE(wait_for(*server, id, "complete")["total_frames_generated"], 25);
    }
}

TEST_F(TalkServer, the_face_that_was_chosen_is_told) {
  const auto server = start();
  const auto begin = [&](const std::string& face) {
    return post(*server, "/api/audio-driven/chunked/init",
                FormBody().add("image", picture(), true).add("session_id", "abc").add("face", face));
  };
  EXPECT_EQ(begin("10,20,30,40").json()["face"], json({10, 20, 30, 40}));
  EXPECT_EQ(begin("[10, 20, 30, 40]").json()["face"], json({10, 20, 30, 40}));
  EXPECT_EQ(begin("1").status, 400);  // the drawing model finds none
  EXPECT_THAT(begin("left").json()["detail"].get<std::string>(), HasSubstr("face must be"));
}

TEST_F(TalkServer, heads_of_one_name_that_are_asked_for_at_once_replace_each_other) {
  const auto server = start();
  const auto client = [&] {
    for (int i = 0; i < 6; ++i) {
      init(*server, "same");
      feed(*server, "same", speech(4'000), false);
    }
  };
  { const std::jthread one(client), another(client), third(client); }
  init(*server, "same");
  EXPECT_EQ(feed(*server, "same", speech(8'000), true).status, 200);
  wait_for(*server, "same", "complete");
  server->stop();
}

TEST_F(TalkServer, a_name_that_is_begun_again_and_again_keeps_its_newest_runs) {
  constexpr std::size_t kRuns = 3;
  const auto server = start([](ServerOptions& options) { options.head_runs = kRuns; });
  const auto files = [&] {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(server->directory() / "data"))
      count += file.path().extension() == ".mp4";
    return count;
  };
  const auto playlist = [&] { return server->request("GET", "/hls/same/playlist.m3u8").body; };
  ProcessUsage before;
  for (std::size_t run = 0; run < 3 * kRuns; ++run) {
    if (run == kRuns) before = ProcessUsage::now();
    init(*server, "same");
    EXPECT_EQ(feed(*server, "same", speech(16'000), true).status, 200);
    wait_for(*server, "same", "complete");
    if (run == kRuns - 1) {
      EXPECT_THAT(playlist(), HasSubstr("#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQUENCE:0\n"));
    }
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (files() > kRuns && std::chrono::steady_clock::now() < deadline) wait_for(*server, "same", "complete");
  EXPECT_EQ(files(), kRuns);
  expect_no_more_than(before);
  EXPECT_EQ(server->request("GET", "/v1/sessions").json()["sessions"].size(), kRuns);
  // What has left the playlist keeps its number.
  EXPECT_THAT(playlist(), HasSubstr("#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:6\n"));
  for (int i = 6; i < 9; ++i) EXPECT_THAT(playlist(), HasSubstr(fmt::format("\nsegment{:03}.ts\n", i)));
  EXPECT_EQ(server->request("GET", "/hls/same/segment005.ts").status, 404);
  EXPECT_EQ(server->request("GET", "/hls/same/segment006.ts").status, 200);
}

TEST_F(TalkServer, pieces_that_follow_each_other_do_not_queue_up_without_end) {
  generation::Gate gate;
  const auto server = start([](ServerOptions& options) { options.head_runs = 2; },
                            [hook = gate.hook()](const generation::Request& request) { hook(request, 0); });
  const FormBody form =
      FormBody().add("image", picture(), true).add("audio", speech(16'000), true).add("unique_id", "x");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(post(*server, "/api/audio-driven/stream", form).status, 200);
  const Reply refused = post(*server, "/api/audio-driven/stream", form);
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.headers.contains("retry-after"));
  gate.open();
  server->stop();
}

TEST_F(TalkServer, a_whole_file_without_samples_is_refused) {
  const auto server = start();
  for (const char* path : {"/api/audio-driven", "/api/realtime-sse"}) {
    const Reply refused =
        post(*server, path, FormBody().add("image", picture(), true).add("audio", media::wav_file({}, 16'000), true));
    EXPECT_EQ(refused.status, 400) << path;
    EXPECT_THAT(refused.json()["detail"], HasSubstr("no samples"));
  }
}

TEST_F(TalkServer, a_form_of_very_many_fields_is_refused) {
  const auto server = start();
  std::string fields;
  for (int i = 0; i < 100'000; ++i) fields += std::to_string(i) + "=&";
  const std::string encoded = "Content-Type: application/x-www-form-urlencoded\r\n";
  for (const std::string& body : {fields, "text=" + std::string(2 << 20, 'x')}) {
    const Reply refused = server->request("POST", "/api/audio-driven", body, encoded);
    EXPECT_EQ(refused.status, 413) << refused.body.substr(0, 300);
    EXPECT_THAT(refused.json()["detail"], HasSubstr("fields"));
  }
  std::string json = "{\"text\": [0";
  for (int i = 0; i < 100'000; ++i) json += ",0";
  EXPECT_EQ(server->request("POST", "/generate_stream", json + "]}", "Content-Type: application/json\r\n").status, 413);
}

TEST_F(TalkServer, a_video_moves_a_portrait_with_its_own_rate_length_and_sound) {
  const auto server = start();
  const std::string video = driving_video(40, 20);
  for (const bool combined : {false, true}) {
    const Reply made = post(*server, "/api/video-driven",
                            FormBody()
                                .add(combined ? "source_image" : "image", picture(), true)
                                .add(combined ? "driving_video" : "video", video, true));
    ASSERT_EQ(made.status, 200) << made.body.substr(0, 300);
    EXPECT_EQ(made.headers.at("content-type"), "video/mp4");
    EXPECT_EQ(made.headers.at("x-generation-params"), combined ? "crop=True" : "crop=False");
    EXPECT_NE(made.headers.at("content-disposition").find("video_driven_"), std::string::npos);
    const auto frames = media::decode_bytes("driven.mp4", media::Bytes(made.body.begin(), made.body.end()));
    ASSERT_EQ(frames.size(), 40u);
    EXPECT_NEAR(frames.back().seconds, 39 / 20.0, 0.01);
    for (const int64_t i : {0, 20, 39})  // each frame has its driving frame's colour
      EXPECT_NEAR(frames[static_cast<std::size_t>(i)].rgb[0], media::test_frame(1, 1, i)[0], 12) << i;
    const media::DecodedAudio audio =
        media::decode_audio({reinterpret_cast<const uint8_t*>(made.body.data()), made.body.size()});
    EXPECT_NEAR(audio.seconds(), 2.0, 0.08);
  }
  const json files = server->request("GET", "/api/outputs").json();
  EXPECT_EQ(files["count"], 2);
  const std::string name = files["files"][0]["filename"];
  EXPECT_TRUE(name.starts_with("video_driven_")) << name;
  const Reply fed = feed(*server, name.substr(0, name.size() - 4), speech(8'000), true);
  EXPECT_EQ(fed.status, 409) << fed.body;
}

TEST_F(TalkServer, a_driven_portrait_comes_as_single_pictures_where_a_published_client_looks_for_them) {
  const auto server = start();
  const Reply pictures =
      post(*server, "/api/v1/video-driven/stream",
           FormBody().add("image", picture(), true).add("video", driving_video(8, 25), true).add("format", "mjpeg"));
  ASSERT_EQ(pictures.status, 200) << pictures.body.substr(0, 300);
  EXPECT_EQ(pictures.headers.at("content-type"), "multipart/x-mixed-replace; boundary=frame");
  std::size_t count = 0;
  for (std::size_t at = 0; (at = pictures.body.find("\xff\xd8\xff", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 8u);
}

TEST_F(TalkServer, what_is_no_video_is_refused_with_the_reason) {
  const auto server = start();
  const auto post_video = [&](const std::string& video) {
    return post(*server, "/api/video-driven", FormBody().add("image", picture(), true).add("video", video, true));
  };
  for (const std::string& wrong : {std::string(), std::string("no video"), speech(8'000)}) {
    const Reply reply = post_video(wrong);
    EXPECT_EQ(reply.status, 500) << reply.body;
    EXPECT_NE(reply.json()["detail"].get<std::string>().find("video"), std::string::npos) << reply.body;
  }
  EXPECT_EQ(post(*server, "/api/video-driven", FormBody().add("image", picture(), true)).status, 422);
  EXPECT_EQ(post_video(driving_video(4, 25)).status, 200);
}

TEST_F(TalkServer, a_call_whose_picture_cannot_be_read_is_refused_as_a_bad_request) {
  const auto server = start();
  const Reply form = post(*server, "/offer", FormBody().add("image", "no picture", true).add("sdp", "v=0"));
  EXPECT_EQ(form.status, 400) << form.body;
  EXPECT_NE(form.json()["error"].get<std::string>().find("image"), std::string::npos) << form.body;
  const Reply json = server->request("POST", "/offer", R"({"sdp": "v=0", "avatar": "data:image/png;base64,bm8="})");
  EXPECT_EQ(json.status, 400) << json.body;
  EXPECT_NE(json.json()["detail"].get<std::string>().find("image"), std::string::npos) << json.body;
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
    const Image image = media::decode_image({reinterpret_cast<const uint8_t*>(cut.body.data()), cut.body.size()});
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
  const auto server = start({}, {}, {}, with_an_example());
  const json avatars = server->request("GET", "/api/avatars").json()["avatars"];
  ASSERT_TRUE(avatars.contains("assets/ada.png")) << avatars;
  EXPECT_EQ(avatars["assets/ada.png"]["name"], "ada");
  const Reply reply = post(*server, "/generate_stream",
                           FormBody().add("avatar", "assets/ada.png").add("audio", speech(16'000 + 640 * 2), true));
  ASSERT_EQ(reply.status, 200) << reply.body.substr(0, 300);
  EXPECT_EQ(reply.headers.at("content-type"), "application/x-ndjson");
  std::istringstream lines(reply.body);
  std::size_t pictures = 0, count = 0, audio = 0;
  json last;
  for (std::string line; std::getline(lines, line); ++count) {
    last = json::parse(line);
    EXPECT_EQ(last["metrics"]["chunk_id"], count);
    EXPECT_EQ(last["metrics"]["is_first_batch"], count == 0);
    EXPECT_EQ(last["metrics"]["num_frames"], last["frames"].size());
    EXPECT_EQ(last["metrics"]["total_chunk_frames"], 27);
    for (const json& frame : last["frames"]) EXPECT_THAT(frame.get<std::string>(), testing::StartsWith("/9j/"));
    pictures += last["frames"].size();
    audio += last["audio"].get<std::string>().size() / 4 * 3;
  }
  EXPECT_EQ(pictures, 27u);
  EXPECT_EQ(last["metrics"]["is_last_batch"], true);
  EXPECT_NEAR(static_cast<double>(audio), 2.0 * 640 * 27 + 44.0 * static_cast<double>(count),
              3.0 * static_cast<double>(count));
  EXPECT_EQ(
      post(*server, "/generate_stream", FormBody().add("avatar", "assets/../ada.png").add("audio", speech(640), true))
          .status,
      404);
}

TEST_F(TalkServer, text_is_spoken_where_there_is_a_voice) {
  const auto server = start({}, {}, {}, with_an_example());
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
      "POST", "/generate_stream",
      R"({"text": "Good morning, my friend.", "avatar": "assets/source_1.png", "colour": "red"})", as_json);
  EXPECT_EQ(lines.headers.contains("x-ignored-fields") ? lines.headers.at("x-ignored-fields") : "", "colour");
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
  EXPECT_EQ(made.json()["ignored"][0]["field"], "output_path");
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

// ---- what is answered when all is made: who leaves, models that nobody has loaded, statuses ----

class WholeFile : public TalkServer {
 protected:
  static FormBody form_with_speech() {
    return FormBody().add("image", picture(), true).add("audio", speech(16'000), true);
  }
  static FormBody form_with_video() {
    return FormBody().add("image", picture(), true).add("video", driving_video(40, 20), true);
  }
  static std::string request(const std::string& path, const std::string& type, const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + type +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static json sessions(const RunningServer& server) { return server.request("GET", "/v1/sessions").json()["sessions"]; }
  /// With the one that asks.
  static int connections(const RunningServer& server) {
    const std::string text = server.request("GET", "/metrics").body;
    return std::atoi(text.c_str() + text.find("\nrushes_connections ") + 20);
  }
  template <typename Happens>
  static bool comes(const Happens& happens) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!happens())
      if (std::chrono::steady_clock::now() > deadline) return false;
    return true;
  }
  enum class Leaving { closes, resets };
  /// How the session of a request ends whose client leaves while its first block is made.
  std::string state_after_leaving(const std::string& bytes, Leaving how) {
    generation::Gate gate;
    const auto server = start(
        {}, [hook = gate.hook()](const generation::Request& wanted) { hook(wanted, 0); }, {}, with_an_example());
    TestClient client(server->port());
    client.write(bytes);
    EXPECT_TRUE(gate.wait_for(1));
    if (how == Leaving::closes) client.close();
    if (how == Leaving::resets) client.reset();
    EXPECT_TRUE(comes([&] { return connections(*server) == 1; }));
    gate.open();
    const auto state = [&] { return sessions(*server).at(0)["state"].get<std::string>(); };
    EXPECT_TRUE(comes([&] { return state() == "stopped" || state() == "finished"; }));
    EXPECT_EQ(server->request("GET", "/api/outputs").json()["count"], 0) << "a part of a video is no output";
    return state();
  }
};

TEST_F(WholeFile, is_not_made_to_its_end_for_a_client_that_has_left) {
  const std::string form = "multipart/form-data; boundary=b0undary";
  for (const Leaving how : {Leaving::closes, Leaving::resets}) {
    EXPECT_EQ(state_after_leaving(request("/api/audio-driven", form, form_with_speech().end()), how), "stopped");
    EXPECT_EQ(state_after_leaving(request("/api/video-driven", form, form_with_video().end()), how), "stopped");
    EXPECT_EQ(state_after_leaving(request("/generate_stream", form, form_with_speech().end()), how), "stopped");
    EXPECT_EQ(state_after_leaving(request("/api/realtime-sse", form, form_with_speech().end()), how), "stopped");
  }
}

TEST_F(WholeFile, is_whole_also_where_it_cannot_be_recorded) {
  const auto pictures = [&](int64_t room, const std::string& path, const FormBody& form) {
    const auto server = start([&](ServerOptions& options) { options.sessions.max_recording_bytes = room; });
    const Reply reply = post(*server, path, form);
    EXPECT_EQ(reply.status, 200) << reply.body.substr(0, 200);
    const json output = server->request("GET", "/api/outputs").json()["files"].at(0);
    EXPECT_EQ(output["size"], reply.body.size());
    EXPECT_EQ(server->request("GET", "/api/outputs/" + output["filename"].get<std::string>()).body, reply.body);
    return media::decode_bytes("whole.mp4", media::Bytes(reply.body.begin(), reply.body.end())).size();
  };
  for (const auto& [path, form] :
       {std::pair("/api/audio-driven", form_with_speech()), std::pair("/api/video-driven", form_with_video())}) {
    const std::size_t all = pictures(int64_t{1} << 30, path, form);
    EXPECT_GT(all, 1u);
    for (const int64_t room : {0, 4000}) EXPECT_EQ(pictures(room, path, form), all) << path;
  }
}

TEST_F(WholeFile, of_text_is_not_made_to_its_end_for_a_client_that_has_left) {
  if (post(*start(), "/api/tts/generate", FormBody().add("text", "a")).status == 503)
    GTEST_SKIP() << "espeak-ng is not installed";
  EXPECT_EQ(
      state_after_leaving(request("/generate", "application/json", R"({"text": "Good morning."})"), Leaving::closes),
      "stopped");
}

TEST_F(WholeFile, and_all_else_with_a_picture_loads_the_model_that_nobody_has_loaded) {
  const auto model = std::make_shared<generation::DrawingTalkModel>();
  const FormBody portrait = FormBody().add("image", picture(), true);
  const struct {
    const char* path;
    FormBody form;
  } kAsked[] = {{"/crop", FormBody().add("file", picture(), true)},
                {"/api/audio-driven/chunked/init", portrait},
                {"/api/audio-driven", form_with_speech()},
                {"/api/audio-driven/stream", form_with_speech().add("unique_id", "abc")},
                {"/api/video-driven", form_with_video()},
                {"/api/realtime-mjpeg", form_with_speech()},
                {"/api/realtime/init", portrait},
                {"/generate_stream", form_with_speech()}};
  for (const auto& asked : kAsked) {
    SCOPED_TRACE(asked.path);
    const RunningServer server({}, std::vector<ModelSource>{{.name = "heads",
                                                             .load = [model] { return model; },
                                                             .family = "drawing",
                                                             .capabilities = model->capabilities()}});
    ASSERT_EQ(server.request("GET", "/v1/models/heads").json()["state"], "unloaded");
    const Reply reply = post(server, asked.path, asked.form);
    EXPECT_EQ(reply.status, 200) << reply.body.substr(0, 300);
    EXPECT_EQ(server.request("GET", "/v1/models/heads").json()["state"], "loaded");
  }
}

TEST_F(WholeFile, of_a_model_that_cannot_be_loaded_says_why) {
  const auto torn = []() -> std::shared_ptr<const generation::Model> { fail(ErrorCode::corrupt_data, "it is torn"); };
  const RunningServer server({},
                             std::vector<ModelSource>{{.name = "heads",
                                                       .load = torn,
                                                       .family = "drawing",
                                                       .capabilities = generation::DrawingTalkModel().capabilities()}});
  const Reply reply = post(server, "/crop", FormBody().add("file", picture(), true));
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.json()["detail"].get<std::string>(), HasSubstr("it is torn"));
}

TEST_F(WholeFile, and_a_portrait_that_is_cut_out_are_refused_with_the_same_statuses) {
  const auto server = start();
  for (const char* face : {"9", "-1", "1,2,3", "left"}) {
    SCOPED_TRACE(face);
    EXPECT_EQ(post(*server, "/crop", FormBody().add("file", picture(), true).add("face", face)).status, 400);
    for (const char* path : {"/api/audio-driven", "/api/audio-driven/chunked/init", "/api/realtime/init"})
      EXPECT_EQ(post(*server, path, form_with_speech().add("face", face)).status, 400) << path;
  }
  const auto full = start([](ServerOptions& options) { options.sessions.max_input_bytes = 100; });
  for (const char* path : {"/crop", "/api/audio-driven"}) {
    const Reply refused = post(*full, path, form_with_speech().add("file", picture(), true));
    EXPECT_EQ(refused.status, 429) << path << refused.body;
    EXPECT_TRUE(refused.headers.contains("retry-after")) << path;
  }
  EXPECT_THAT(post(*full, "/crop", FormBody().add("file", picture(), true)).json()["detail"].get<std::string>(),
              testing::StartsWith("Crop failed: "));
}

}  // namespace
}  // namespace rushes::server
