// IMTalker's protocol over sockets, with a talking head that draws: the whole life of a session, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/scratch_folder.h"
#include "rushes/generation/drawing_model.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/face_finder.h"
#include "rushes/server/talk_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(TalkServer, tells_of_its_model_and_of_portraits_and_speech_to_try) {
  const ScratchFolder scratch;
  const std::filesystem::path& folder = scratch.path;
  std::ofstream(folder / "ada.png") << picture();
  std::ofstream(folder / "speech.wav") << media::wav_file(media::test_audio(160, 16'000), 16'000);
  std::ofstream(folder / "notes.txt") << "neither";
  const auto server = start({}, {}, {}, folder);
  const json about = server->request("GET", "/v1/models/heads").json();
  EXPECT_EQ(about["capabilities"]["feeds"], json::parse(R"(["audio"])"));
  EXPECT_EQ(about["capabilities"]["needs"], json::parse(R"(["image"])"));
  EXPECT_EQ(about["options"][0]["name"], "mode");
  EXPECT_EQ(about["examples"]["images"],
            json::parse(R"([{"name": "ada", "url": "/v1/models/heads/examples/ada.png"}])"));
  EXPECT_EQ(about["examples"]["audio"],
            json::parse(R"([{"name": "speech", "url": "/v1/models/heads/examples/speech.wav"}])"));
  const Reply ada = server->request("GET", "/v1/models/heads/examples/ada.png");
  EXPECT_EQ(ada.status, 200);
  EXPECT_EQ(ada.headers.at("content-type"), "image/png");
  EXPECT_EQ(ada.body, picture());
  for (const char* outside : {"bob.png", "..%2f..%2fetc%2fpasswd", "%2e%2e"})
    EXPECT_EQ(server->request("GET", std::string("/v1/models/heads/examples/") + outside).status, 404) << outside;
}

TEST_F(TalkServer, serves_the_published_clients_sequence) {
  const auto server = start();
  const Reply begun = init(*server, "abc");
  ASSERT_EQ(begun.status, 200) << begun.body;
  EXPECT_EQ(begun.json()["hls_url"], "/hls/abc/playlist.m3u8");
  EXPECT_EQ(begun.json()["status"], "success");
  EXPECT_EQ(begun.json()["audio_sample_rate"], 24000);
  EXPECT_EQ(begun.json()["chunk_duration"], 0.5);
  EXPECT_EQ(
      server->request("GET", "/hls/abc/playlist.m3u8").body,
      "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQUENCE:0\n");
  EXPECT_EQ(status(*server, "abc")["status"], "waiting_for_audio");

  const std::string wav = media::wav_file(media::test_audio(12'000, 24'000), 24'000);
  for (int chunk = 0; chunk < 3; ++chunk) {
    const Reply fed = feed(*server, "abc", wav, chunk == 2);
    ASSERT_EQ(fed.status, 200) << fed.body;
    EXPECT_EQ(fed.json()["buffer_samples"], 8000 * (chunk + 1));
    EXPECT_EQ(fed.json()["status"], "success");
    EXPECT_TRUE(fed.json().contains("frames_generated") && fed.json().contains("session_status"));
  }
  const json done = wait_for(*server, "abc", "complete");
  EXPECT_EQ(done["total_frames_generated"], 52);
  EXPECT_EQ(done["buffer_samples"], 24000);
  EXPECT_TRUE(done["error"].is_null());
  EXPECT_GT(done["created_at"], 1.6e9);
  EXPECT_GE(done["uptime_seconds"], 0.0);
  const std::string metrics = server->request("GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("rushes_sessions{state=\"waiting\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("rushes_video_frames_total 52\n"));
  EXPECT_THAT(metrics, HasSubstr("rushes_shared_forwards_total 0\n"));

  const Reply playlist = server->request("GET", "/api/hls/abc/playlist.m3u8");
  EXPECT_EQ(playlist.status, 200);
  EXPECT_EQ(playlist.headers.at("content-type"), "application/vnd.apple.mpegurl");
  EXPECT_THAT(playlist.body,
              HasSubstr("#EXTINF:2.000,\nsegment000.ts\n#EXTINF:0.080,\nsegment001.ts\n#EXT-X-ENDLIST\n"));
  const Reply segment = server->request("GET", "/hls/abc/segment000.ts");
  EXPECT_EQ(segment.headers.at("content-type"), "video/mp2t");
  const auto frames = media::decode_bytes("segment.ts", {segment.body.begin(), segment.body.end()});
  ASSERT_EQ(frames.size(), 50u);
  EXPECT_NEAR(frames[0].seconds, 1.4, 1e-3);
  const Reply part = server->request("GET", "/api/hls/abc/segment001.ts", {}, "Range: bytes=0-187\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body.size(), 188u);
  EXPECT_THAT(part.headers.at("content-range"), HasSubstr("bytes 0-187/"));

  EXPECT_EQ(server->request("DELETE", "/api/audio-driven/chunked/session/abc").json()["message"],
            "Session abc cleaned up");
  EXPECT_EQ(server->request("DELETE", "/api/audio-driven/chunked/session/abc").status, 404);
  EXPECT_EQ(server->request("GET", "/hls/abc/playlist.m3u8").status, 404);
}

TEST_F(TalkServer, aligned_sessions_have_25_frames_a_second_and_the_sound) {
  const auto server = start();
  ASSERT_EQ(init(*server, "abc", "aligned", "0.2").status, 200);
  const std::vector<float> wave = media::test_audio(56'000);
  for (std::size_t at = 0; at < wave.size(); at += 7000)
    ASSERT_EQ(feed(*server, "abc",
                   media::wav_file({wave.begin() + static_cast<std::ptrdiff_t>(at),
                                    wave.begin() + static_cast<std::ptrdiff_t>(at + 7000)},
                                   16'000),
                   false)
                  .status,
              200);
  ASSERT_EQ(feed(*server, "abc", media::wav_file({}, 16'000), true).status, 200);
  EXPECT_EQ(wait_for(*server, "abc", "complete")["total_frames_generated"], 88);
  const Reply video = server->request("GET", "/api/hls/abc/download");
  EXPECT_EQ(video.headers.at("content-disposition"), "attachment; filename=abc.mp4");
  EXPECT_EQ(media::decode_bytes("talk.mp4", {video.body.begin(), video.body.end()}).size(), 88u);
  EXPECT_THAT(video.body, HasSubstr("mp4a"));
}

TEST_F(TalkServer, feeding_after_the_final_chunk_goes_on_with_the_video) {
  const auto server = start();
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  const std::string second = media::wav_file(media::test_audio(16'000), 16'000);
  ASSERT_EQ(feed(*server, "abc", second, true).status, 200);
  ASSERT_EQ(feed(*server, "abc", second, true).status, 200);
  json done;
  for (const auto deadline = std::chrono::steady_clock::now() + kPatience;
       std::chrono::steady_clock::now() < deadline;) {
    done = status(*server, "abc");
    if (done["status"] == "complete" && done["total_frames_generated"] == 50) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(done["total_frames_generated"], 50);
  EXPECT_THAT(server->request("GET", "/hls/abc/playlist.m3u8").body,
              HasSubstr("#EXTINF:1.000,\nsegment000.ts\n#EXTINF:1.000,\nsegment001.ts\n#EXT-X-ENDLIST\n"));
  const Reply later = server->request("GET", "/hls/abc/segment001.ts");
  const auto frames = media::decode_bytes("later.ts", {later.body.begin(), later.body.end()});
  ASSERT_EQ(frames.size(), 25u);
  EXPECT_NEAR(frames[0].seconds, 2.4, 1e-3);

  // A new session of the same name appends to the same video.
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  EXPECT_EQ(status(*server, "abc")["total_frames_generated"], 0);
  EXPECT_THAT(server->request("GET", "/hls/abc/playlist.m3u8").body, HasSubstr("segment001.ts"));
}

TEST_F(TalkServer, runs_of_one_name_with_other_tracks_are_told_apart_and_downloaded_as_one_video) {
  const auto server = start();
  const std::string second = media::wav_file(media::test_audio(16'000), 16'000);
  for (const char* mode : {"reference", "aligned", "aligned", "reference"}) {  // the reference's videos are silent
    ASSERT_EQ(init(*server, "abc", mode).status, 200);
    ASSERT_EQ(feed(*server, "abc", second, true).status, 200);
    wait_for(*server, "abc", "complete");
  }
  const std::string playlist = server->request("GET", "/hls/abc/playlist.m3u8").body;
  EXPECT_THAT(playlist, HasSubstr("#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF"));
  EXPECT_THAT(playlist, HasSubstr("segment000.ts\n#EXT-X-DISCONTINUITY\n#EXTINF"));
  EXPECT_THAT(playlist, HasSubstr("segment001.ts\n#EXTINF")) << "the third is like the second";
  EXPECT_THAT(playlist, HasSubstr("segment002.ts\n#EXT-X-DISCONTINUITY\n#EXTINF"));
  const std::string mp4 = server->request("GET", "/api/hls/abc/download").body;
  const media::Bytes bytes(mp4.begin(), mp4.end());
  EXPECT_THAT(media::decode_bytes("runs.mp4", bytes).size(), testing::Ge(4u * 25));
  EXPECT_GE(media::decode_audio(bytes).seconds(), 1.8);
}

TEST_F(TalkServer, a_download_before_the_end_is_refused_and_says_how_far_the_video_is) {
  const auto gate = std::make_shared<generation::Gate>();
  const auto server = start({}, [hook = gate->hook()](const generation::Request& request) { hook(request, 0); });
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  EXPECT_THAT(server->request("GET", "/api/hls/abc/download").json()["detail"].get<std::string>(),
              HasSubstr("no video yet"));
  ASSERT_EQ(feed(*server, "abc", media::wav_file(media::test_audio(16'000), 16'000), true).status, 200);
  ASSERT_TRUE(gate->wait_for(1));
  const Reply early = server->request("GET", "/api/hls/abc/download");
  EXPECT_EQ(early.status, 409);
  EXPECT_THAT(early.json()["detail"].get<std::string>(), HasSubstr("still processing"));
  gate->open();
  wait_for(*server, "abc", "complete");
  EXPECT_EQ(server->request("GET", "/api/hls/abc/download").status, 200);
}

TEST_F(TalkServer, sound_that_is_none_is_refused_and_the_session_goes_on) {
  const auto server = start();
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  for (const std::string& bad : {std::string(), std::string("no sound"), std::string(3000, 'x')}) {
    const Reply reply = feed(*server, "abc", bad, false);
    EXPECT_EQ(reply.status, 500);
    EXPECT_TRUE(reply.json()["detail"].is_string());
    EXPECT_EQ(status(*server, "abc")["status"], "error");
    EXPECT_TRUE(status(*server, "abc")["error"].is_string());
  }
  ASSERT_EQ(feed(*server, "abc", media::wav_file(media::test_audio(640), 16'000), true).status, 200);
  EXPECT_EQ(wait_for(*server, "abc", "complete")["total_frames_generated"], 1);
  EXPECT_TRUE(status(*server, "abc")["error"].is_string());
}

TEST_F(TalkServer, fields_that_are_wrong_are_listed_together) {
  const auto server = start();
  const Reply none = server->request("POST", "/api/audio-driven/chunked/init");
  EXPECT_EQ(none.status, 422);
  EXPECT_EQ(none.json()["detail"][0],
            json::parse(R"({"type":"missing","loc":["body","image"],"msg":"Field required","input":null})"));
  const Reply many =
      post(*server, "/api/audio-driven/chunked/init",
           FormBody().add("image", picture(), true).add("crop", "maybe").add("nfe", "ten").add("cfg_scale", "x"));
  EXPECT_EQ(many.status, 422);
  const json detail = many.json()["detail"];
  ASSERT_EQ(detail.size(), 3u);
  EXPECT_EQ(detail[0]["type"], "bool_parsing");
  EXPECT_EQ(detail[0]["input"], "maybe");
  EXPECT_EQ(detail[1]["type"], "int_parsing");
  EXPECT_EQ(detail[2]["type"], "float_parsing");
  EXPECT_EQ(post(*server, "/api/audio-driven/chunked/feed", FormBody()).json()["detail"].size(), 2u);
}

TEST_F(TalkServer, values_out_of_range_are_refused_in_the_published_words) {
  const auto server = start();
  const struct {
    const char *field, *value;
    int status;
    const char* words;
  } cases[] = {
      {"nfe", "4", 400, "nfe must be between 5 and 50"},
      {"nfe", "51", 400, "nfe must be between 5 and 50"},
      {"cfg_scale", "0.5", 400, "cfg_scale must be between 1.0 and 5.0"},
      {"chunk_duration", "11", 400, "chunk_duration must be between 0.1 and 10.0 seconds"},
      {"pose_style", "[1, 2", 500, "pose_style"},
      {"gaze_style", "[1, 2, 3]", 500, "gaze_style"},
      {"session_id", "../../etc", 400, "session_id"},
      {"mode", "fast", 400, "mode"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.value);
    const Reply reply = post(*server, "/api/audio-driven/chunked/init",
                             FormBody().add("image", picture(), true).add(each.field, each.value));
    EXPECT_EQ(reply.status, each.status);
    EXPECT_THAT(reply.json()["detail"].get<std::string>(), HasSubstr(each.words));
  }
  EXPECT_EQ(post(*server, "/api/audio-driven/chunked/init", FormBody().add("image", "no picture", true)).status, 500);
  const Reply styled =
      post(*server, "/api/audio-driven/chunked/init",
           FormBody().add("image", picture(), true).add("pose_style", "[10, -5, 0]").add("gaze_style", "[0.1,0.2]"));
  EXPECT_EQ(styled.status, 200) << styled.body;
  EXPECT_EQ(styled.json()["session_id"].get<std::string>().size(), 36u);
}

TEST_F(TalkServer, a_picture_without_a_face_is_refused_unless_it_is_taken_as_it_is) {
  if (!media::can_find_faces()) GTEST_SKIP() << "built without OpenCV, or opencv-data is not installed";
  const auto model = std::make_shared<generation::DrawingTalkModel>();
  model->leave_faces_to_others();
  const auto server = start({}, {}, model);
  const auto answer = [&](const media::Bytes& image, const std::string& crop, const std::string& mode) {
    return post(*server, "/api/audio-driven/chunked/init",
                FormBody().add("image", {image.begin(), image.end()}, true).add("crop", crop).add("mode", mode));
  };
  const media::Bytes wide = media::encode_png(media::test_frame(200, 100, 3).data(), 200, 100);
  const Reply refused = answer(wide, "true", "aligned");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.json()["detail"].get<std::string>(), HasSubstr("no face was found"));
  EXPECT_EQ(answer(wide, "false", "aligned").status, 200);
  EXPECT_EQ(answer(wide, "true", "reference").status, 200);
  EXPECT_EQ(answer(media::encode_png(media::test_frame(100, 100, 3).data(), 100, 100), "true", "aligned").status, 200);
}

TEST_F(TalkServer, unknown_sessions_are_404_everywhere) {
  const auto server = start();
  EXPECT_EQ(feed(*server, "nobody", media::wav_file({}, 16'000), false).json()["detail"],
            "Session nobody not found. Call /api/audio-driven/chunked/init first.");
  EXPECT_EQ(server->request("GET", "/api/audio-driven/chunked/status/nobody").json()["detail"],
            "Session nobody not found");
  EXPECT_EQ(server->request("GET", "/api/hls/nobody/playlist.m3u8").json()["detail"], "Playlist not found");
  EXPECT_EQ(server->request("GET", "/api/hls/nobody/segment000.ts").json()["detail"], "Segment not found");
  EXPECT_EQ(server->request("GET", "/api/hls/nobody/download").json()["detail"], "Session not found");
  EXPECT_EQ(server->request("DELETE", "/api/hls/session/nobody").json()["detail"], "Session not found");
  EXPECT_EQ(server->request("GET", "/hls/nobody/playlist.m3u8").json()["detail"], "Not Found");
  ASSERT_EQ(init(*server, "abc").status, 200);
  for (const char* file : {"segment000.ts", "segment0.ts", "segment.ts", "segment-01.ts", "x", "segment99999999999.ts"})
    EXPECT_EQ(server->request("GET", std::string("/hls/abc/") + file).status, 404) << file;
}

TEST_F(TalkServer, without_a_model_all_of_it_is_503) {
  const RunningServer server;
  EXPECT_EQ(init(server, "abc").json()["detail"], "Models not loaded properly");
  EXPECT_EQ(init(server, "abc").status, 503);
  EXPECT_EQ(feed(server, "abc", "", false).status, 503);
  EXPECT_EQ(server.request("GET", "/api/audio-driven/chunked/status/abc").status, 503);
}

TEST_F(TalkServer, more_speech_than_may_wait_is_refused_and_nothing_is_lost) {
  generation::Gate gate;
  const auto server = start([](ServerOptions& options) { options.sessions.max_waiting_speech = 2; },
                            [&, hook = gate.hook()](const generation::Request& request) { hook(request, 0); });
  const std::shared_ptr<void> open_at_end(nullptr, [&](void*) { gate.open(); });  // the server waits for its steps
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  const std::string second = media::wav_file(media::test_audio(16'000), 16'000);
  EXPECT_EQ(feed(*server, "abc", second, false).status, 200);
  EXPECT_EQ(feed(*server, "abc", second, false).status, 200);
  const Reply refused = feed(*server, "abc", second, false);
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.headers.contains("retry-after"));
  EXPECT_EQ(status(*server, "abc")["buffer_samples"], 32'000);
  gate.open();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (status(*server, "abc")["total_frames_generated"] != 50 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(feed(*server, "abc", second, true).status, 200);
  EXPECT_EQ(wait_for(*server, "abc", "complete")["total_frames_generated"], 75);
}

TEST_F(TalkServer, one_session_that_fails_leaves_the_others_alone) {
  const auto server = start({}, [](const generation::Request& request) {
    require(request.seed != 13, ErrorCode::exhausted, "the device is out of memory");
  });
  ASSERT_EQ(init(*server, "good", "aligned").status, 200);
  ASSERT_EQ(post(*server, "/api/audio-driven/chunked/init",
                 FormBody().add("image", picture(), true).add("session_id", "bad").add("seed", "13"))
                .status,
            200);
  const std::string second = media::wav_file(media::test_audio(16'000), 16'000);
  const int told = feed(*server, "bad", second, true).status;  // it may have failed already
  EXPECT_TRUE(told == 200 || told == 409) << told;
  ASSERT_EQ(feed(*server, "good", second, true).status, 200);
  EXPECT_EQ(wait_for(*server, "good", "complete")["total_frames_generated"], 25);
  EXPECT_EQ(wait_for(*server, "bad", "error")["error"], "the device is out of memory");
}

TEST_F(TalkServer, a_whole_file_becomes_a_video_with_its_sound) {
  const auto server = start();
  const std::string audio = media::wav_file(media::test_audio(40'000), 16'000);
  const Reply made = post(*server, "/api/audio-driven",
                          FormBody().add("image", picture(), true).add("audio", audio, true).add("nfe", "5"));
  ASSERT_EQ(made.status, 200) << made.body.substr(0, 300);
  EXPECT_EQ(made.headers.at("content-type"), "video/mp4");
  EXPECT_THAT(made.headers.at("content-disposition"), HasSubstr("filename=\"audio_driven_"));
  EXPECT_EQ(made.headers.at("x-generation-params"), "crop=True,seed=42,nfe=5,cfg_scale=2.0");
  EXPECT_EQ(media::decode_bytes("whole.mp4", {made.body.begin(), made.body.end()}).size(), 63u);
  EXPECT_THAT(made.body, HasSubstr("mp4a"));
  EXPECT_EQ(
      post(*server, "/api/audio-driven", FormBody().add("image", picture(), true).add("audio", "noise", true)).status,
      500);
  EXPECT_EQ(post(*server, "/api/audio-driven", FormBody().add("image", picture(), true)).status, 422);
}

TEST_F(TalkServer, a_generation_that_fails_is_told) {
  const auto server =
      start({}, [](const generation::Request&) { fail(ErrorCode::exhausted, "the device is out of memory"); });
  const Reply made = post(
      *server, "/api/audio-driven",
      FormBody().add("image", picture(), true).add("audio", media::wav_file(media::test_audio(4000), 16'000), true));
  EXPECT_EQ(made.status, 500);
  EXPECT_EQ(made.json()["detail"], "Generation failed: the device is out of memory");
}

TEST_F(TalkServer, files_one_after_the_other_make_one_stream) {
  const auto server = start();
  const std::string audio = media::wav_file(media::test_audio(16'000), 16'000);
  for (const char* is_final : {"false", "true"}) {
    const Reply begun = post(*server, "/api/audio-driven/stream",
                             FormBody()
                                 .add("unique_id", "zz")
                                 .add("image", picture(), true)
                                 .add("audio", audio, true)
                                 .add("is_final_chunk", is_final));
    ASSERT_EQ(begun.status, 200) << begun.body;
    EXPECT_EQ(begun.json()["streaming"], "progressive");
    EXPECT_EQ(begun.json()["hls_url"], "/hls/zz/playlist.m3u8");
  }
  std::string text;
  for (const auto deadline = std::chrono::steady_clock::now() + kPatience;
       text.find("ENDLIST") == std::string::npos && std::chrono::steady_clock::now() < deadline;)
    text = server->request("GET", "/hls/zz/playlist.m3u8").body;
  EXPECT_THAT(text, HasSubstr("#EXTINF:1.000,\nsegment000.ts\n#EXTINF:1.000,\nsegment001.ts\n#EXT-X-ENDLIST\n"));
}

TEST_F(TalkServer, pictures_come_one_by_one) {
  const auto server = start();
  const FormBody form =
      FormBody().add("image", picture(), true).add("audio", media::wav_file(media::test_audio(6400), 16'000), true);
  const Reply parts = post(*server, "/api/realtime-mjpeg", form);
  EXPECT_EQ(parts.headers.at("content-type"), "multipart/x-mixed-replace; boundary=frame");
  std::size_t count = 0;
  for (std::size_t at = parts.body.find("--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8"); at != std::string::npos;
       at = parts.body.find("--frame\r\n", at + 1))
    ++count;
  EXPECT_EQ(count, 10u);
  const Reply events = post(*server, "/api/realtime-sse", form);
  EXPECT_EQ(events.headers.at("content-type"), "text/event-stream");
  EXPECT_THAT(events.body, HasSubstr("event: complete\ndata: {\"frames\":10,"));
}

/// A packet of the realtime protocol, of at most 112 bytes: the client knows short frames only.
std::string audio_packet(const std::string& payload) {
  std::string packet(1, '\1');
  packet += std::string(8, '\0');
  for (int i = 3; i >= 0; --i) packet += static_cast<char>(payload.size() >> (8 * i));
  return packet + payload;
}

TEST_F(TalkServer, the_realtime_socket_sends_pictures_and_sound_even_to_who_is_silent) {
  const auto server = start();
  const Reply begun = post(*server, "/api/realtime/init", FormBody().add("image", picture(), true));
  ASSERT_EQ(begun.status, 200) << begun.body;
  const std::string url = begun.json()["websocket_url"];
  EXPECT_EQ(url, "/ws/realtime/" + begun.json()["session_id"].get<std::string>());
  TestClient client(server->port());
  ASSERT_EQ(client.upgrade(url).status, 101);
  client.write_frame(2, audio_packet(std::string(100, '\x10')));
  client.write_frame(2, std::string("too short"));
  for (int pair = 0; pair < 5; ++pair) {
    const Frame video = client.read_message(), audio = client.read_message();
    ASSERT_GT(video.payload.size(), 15u);
    EXPECT_EQ(video.payload[0], 2);
    EXPECT_EQ(video.payload.substr(13, 2), "\xff\xd8");
    ASSERT_EQ(audio.payload.size(), 13u + 1280u);
    EXPECT_EQ(audio.payload[0], 1);
    EXPECT_EQ(audio.payload.substr(1, 8), video.payload.substr(1, 8));
  }
  client.write_frame(2, "");  // the end
  Frame last = client.read_message();
  while (last.opcode == 2) last = client.read_message();
  EXPECT_EQ(last.opcode, 8);
  // The session went with its connection.
  TestClient again(server->port());
  ASSERT_EQ(again.upgrade(url).status, 101);
  EXPECT_EQ(again.read_message().close_code(), 4004);
}

TEST_F(TalkServer, the_realtime_socket_hears_a_file_that_is_cut_anywhere) {
  const auto server = start();
  const Reply begun = post(*server, "/api/realtime/init", FormBody().add("image", picture(), true));
  ASSERT_EQ(begun.status, 200) << begun.body;
  TestClient client(server->port());
  ASSERT_EQ(client.upgrade(begun.json()["websocket_url"]).status, 101);
  // 0x1234: a byte that is lost where the file is cut would show.
  constexpr int kValue = 0x1234;
  const std::string file =
      media::wav_file(std::vector<float>(16'000, kValue / 32767.0f), 32'000, 1, /*claimed_bytes=*/0xffffffff);
  for (std::size_t at = 0; at < file.size(); at += 111) client.write_frame(2, audio_packet(file.substr(at, 111)));
  constexpr std::size_t kHeaderBytes = 13;
  int heard = 0, odd = 0;  // samples; those of pictures that are passed over do not come
  for (const auto deadline = std::chrono::steady_clock::now() + kPatience;
       heard < 4000 && std::chrono::steady_clock::now() < deadline;) {
    const Frame message = client.read_message();
    ASSERT_EQ(message.opcode, 2);
    if (message.payload[0] != 1) continue;
    for (std::size_t at = kHeaderBytes; at + 1 < message.payload.size(); at += 2) {
      const int sample = static_cast<int16_t>(static_cast<uint8_t>(message.payload[at]) |
                                              static_cast<uint8_t>(message.payload[at + 1]) << 8);
      if (std::abs(sample - kValue) < 100)
        ++heard;
      else if (std::abs(sample) > 100)
        ++odd;
    }
  }
  EXPECT_GE(heard, 4000);
  EXPECT_LT(odd, 200);  // where it begins
}

TEST_F(TalkServer, sessions_that_nobody_uses_go) {
  const auto server = start([](ServerOptions& options) { options.head_idle = std::chrono::seconds(0); });
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  int status = 200;
  while (status != 404 && std::chrono::steady_clock::now() < deadline) {
    status = server->request("GET", "/api/audio-driven/chunked/status/abc").status;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(status, 404);
}

}  // namespace
}  // namespace rushes::server
