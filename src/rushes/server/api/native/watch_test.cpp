// Every further way to watch, over real sockets, read by FFmpeg where it reads them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "rushes/media/image.h"
#include "rushes/media/test_video.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/family_test_server.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr int kStepsPerBlock = 4, kFramesPerBlock = 12;

std::size_t decoded_frames(const std::string& mp4) {
  return media::decode_bytes("watch_test.mp4", media::Bytes(mp4.begin(), mp4.end())).size();
}

/// Starts a session and waits for its end.
std::string finished_session(RunningServer& server) {
  server.gate().open();
  const auto id = server.create();
  TestClient viewer(server.port());
  viewer.upgrade(path(id, "/video"));
  while (viewer.read_message().opcode == 2) {}
  return id;
}

/// Reads until the bytes so far hold `text`.
std::string read_until(TestClient& client, const std::string& text) {
  std::string all, chunk;
  while (all.find(text) == std::string::npos && client.read_chunk(chunk)) all += chunk;
  return all;
}

TEST(Hls, ffmpeg_plays_the_finished_video_in_both_formats) {
  RunningServer server;
  const auto id = finished_session(server);
  for (const char* playlist : {"/hls/master.m3u8", "/hls/master_ts.m3u8", "/hls/video.m3u8", "/hls/ts.m3u8"}) {
    const auto frames = media::decode_video("http://127.0.0.1:" + std::to_string(server.port()) + path(id, playlist));
    ASSERT_EQ(frames.size(), static_cast<std::size_t>(kBlocks * kFramesPerBlock)) << playlist;
    for (std::size_t i = 0; i < frames.size(); ++i)
      EXPECT_NEAR(frames[i].seconds - frames[0].seconds, static_cast<double>(i) / 16, 1e-3);
  }
  const Reply playlist = server.request("GET", path(id, "/hls/video.m3u8?from=start"));
  EXPECT_EQ(playlist.headers.at("content-type"), "application/vnd.apple.mpegurl");
  EXPECT_THAT(playlist.body, HasSubstr("#EXT-X-START:TIME-OFFSET=0"));
  EXPECT_TRUE(playlist.body.ends_with("6.m4s\n#EXT-X-ENDLIST\n"));
  EXPECT_EQ(server.request("GET", path(id, "/hls/0.ts")).headers.at("content-type"), "video/mp2t");
  EXPECT_EQ(server.request("HEAD", path(id, "/hls/init.mp4")).status, 200);
}

TEST(Hls, ffmpeg_plays_while_the_video_is_generated) {
  RunningServer server;
  const auto id = server.create();
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + path(id, "/hls/video.m3u8?from=start");
  auto frames = std::async(std::launch::async, [&] { return media::decode_video(url).size(); });
  // Block after block, each only when the reader has come back for more.
  const auto playlists = [&] { return server.status(id)["done"]["blocks"].get<int>(); };
  for (int block = 0; block < 3; ++block) {
    server.gate().allow(kStepsPerBlock);
    while (playlists() <= block) std::this_thread::yield();
  }
  server.gate().open();
  EXPECT_EQ(frames.get(), static_cast<std::size_t>(kBlocks * kFramesPerBlock));
}

TEST(Hls, playlist_waits_for_the_segment_that_the_player_lacks) {
  RunningServer server;
  const auto id = server.create();
  TestClient first(server.port()), second(server.port()), third(server.port());
  const auto ask = [&](TestClient& client, const std::string& query) {
    client.write("GET " + path(id, "/hls/video.m3u8" + query) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(client.read_head().status, 200);
  };
  ask(first, "");
  EXPECT_FALSE(first.readable(std::chrono::milliseconds(50)));
  server.gate().allow(kStepsPerBlock);
  EXPECT_THAT(read_until(first, "0.m4s"), Not(HasSubstr("ENDLIST")));
  ask(second, "?_HLS_msn=1");
  EXPECT_FALSE(second.readable(std::chrono::milliseconds(50)));
  server.gate().allow(kStepsPerBlock);
  EXPECT_THAT(read_until(second, "1.m4s"), Not(HasSubstr("ENDLIST")));
  ask(third, "?_HLS_msn=2&_HLS_part=0");
  EXPECT_FALSE(third.readable(std::chrono::milliseconds(50)));
  server.gate().allow(kStepsPerBlock);
  EXPECT_THAT(read_until(third, "2.m4s\n"),
              HasSubstr("#EXT-X-PART:DURATION=0.75000,URI=\"part2.m4s\",INDEPENDENT=YES\n"));
  TestClient early(server.port());  // it asks for a part before that exists
  early.write("GET " + path(id, "/hls/part3.m4s") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(early.read_head().status, 200);
  EXPECT_FALSE(early.readable(std::chrono::milliseconds(50)));
  server.gate().allow(kStepsPerBlock);
  std::string part;
  EXPECT_TRUE(early.read_chunk(part));
  EXPECT_EQ(part.substr(4, 4), "moof");
  EXPECT_EQ(server.request("GET", path(id, "/hls/part2.m4s")).body, server.request("GET", path(id, "/hls/2.m4s")).body);
  EXPECT_EQ(server.request("GET", path(id, "/hls/video.m3u8?_HLS_msn=40")).status, 400);
  EXPECT_EQ(server.request("GET", path(id, "/hls/4.m4s")).status, 404);
  EXPECT_EQ(server.request("GET", path(id, "/hls/part5.m4s")).status, 404);
}

TEST(Hls, keeps_the_token_in_the_addresses_of_the_playlist) {
  RunningServer server([](ServerOptions& options) { options.access.tokens = {"a b&c"}; });
  server.gate().open();
  const Reply created = server.request("POST", "/v1/sessions", R"({"prompt": "a"})", "Authorization: Bearer a b&c\r\n");
  const auto id = created.json()["id"].get<std::string>();
  EXPECT_EQ(server.request("GET", path(id, "/hls/master.m3u8")).status, 401);
  const std::string master = server.request("GET", path(id, "/hls/master.m3u8?token=a%20b%26c")).body;
  EXPECT_TRUE(master.ends_with("\nvideo.m3u8?token=a%20b%26c\n")) << master;
  const std::string list = server.request("GET", path(id, "/hls/video.m3u8?token=a%20b%26c")).body;
  EXPECT_THAT(list, HasSubstr("#EXT-X-MAP:URI=\"init.mp4?token=a%20b%26c\"\n"));
  EXPECT_THAT(list, HasSubstr("\n0.m4s?token=a%20b%26c\n"));
}

TEST(Hls, gives_a_part_of_a_segment_to_who_asks_for_a_range) {
  RunningServer server;
  const auto id = finished_session(server);
  for (const char* file : {"/hls/init.mp4", "/hls/2.m4s", "/hls/2.ts", "/hls/part2.m4s"}) {
    SCOPED_TRACE(file);
    const Reply whole = server.request("GET", path(id, file));
    ASSERT_EQ(whole.status, 200);
    const Reply part = server.request("GET", path(id, file), "", "Range: bytes=10-29\r\n");
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body, whole.body.substr(10, 20));
    EXPECT_EQ(part.headers.at("content-range"), "bytes 10-29/" + std::to_string(whole.body.size()));
    const Reply head = server.request("HEAD", path(id, file));
    EXPECT_EQ(head.headers.at("content-length"), std::to_string(whole.body.size()));
    // It has no tag, so that only "any" names it.
    const Reply other = server.request("GET", path(id, file), "", "Range: bytes=10-29\r\nIf-Match: \"x\"\r\n");
    EXPECT_EQ(other.status, 412);
    EXPECT_EQ(other.headers.at("cache-control"), "no-store") << "a refusal does not last";
    EXPECT_EQ(server.request("GET", path(id, file), "", "Range: bytes=10-29\r\nIf-Match: *\r\n").status, 206);
  }
}

TEST(Hls, refuses_what_does_not_exist_with_a_reason) {
  RunningServer server;
  const auto id = finished_session(server);
  const struct {
    const char* target;
    int status;
  } cases[] = {{"/hls/other.m3u8", 404},
               {"/hls/7.m4s", 404},
               {"/hls/-1.m4s", 400},
               {"/hls/x.ts", 400},
               {"/hls/.ts", 400},
               {"/hls/1.m4s.ts", 404},
               {"/hls/99999999999999999999.ts", 400},
               {"/hls/..%2f..%2fetc", 404},
               {"/hls/video.m3u8?from=middle", 400},
               {"/hls/video.m3u8?_HLS_msn=x", 400},
               {"/hls/video.m3u8?_HLS_part=0", 400},
               {"/hls/part7.m4s", 404},
               {"/hls/partx.m4s", 400},
               {"/hls/part0.ts", 400},
               {"/hls", 404},
               {"/hls/a/b", 404},
               {"/stream.sse?video=png", 400},
               {"/stream.ndjson?from=x", 400}};
  for (const auto& c : cases) {
    const Reply reply = server.request("GET", path(id, c.target));
    EXPECT_EQ(reply.status, c.status) << c.target;
    EXPECT_FALSE(reply.json()["error"]["message"].get<std::string>().empty());
  }
  EXPECT_EQ(server.request("POST", path(id, "/hls/video.m3u8")).status, 405);
  EXPECT_EQ(server.request("GET", path(std::string(32, '0'), "/hls/video.m3u8")).status, 404);
}

/// The JSON objects of an NDJSON body.
std::vector<json> lines(const std::string& body) {
  std::vector<json> all;
  std::istringstream text(body);
  for (std::string line; std::getline(text, line);) all.push_back(json::parse(line));
  return all;
}

std::string video_of(const std::vector<json>& messages) {
  std::string video;
  for (const json& message : messages)
    if (message.contains("data")) video += decode_base64("data", message["data"].get<std::string>());
  return video;
}

TEST(TextStream, ndjson_has_all_events_and_the_whole_video) {
  RunningServer server;
  const auto id = finished_session(server);
  const Reply reply = server.request("GET", path(id, "/stream.ndjson"));
  EXPECT_EQ(reply.headers.at("content-type"), "application/x-ndjson");
  EXPECT_TRUE(reply.complete);
  const auto messages = lines(reply.body);
  EXPECT_EQ(video_of(messages), fragments_of(server.port(), id));
  std::map<std::string, int> types;
  for (const json& message : messages) ++types[message["type"]];
  EXPECT_EQ(types, (std::map<std::string, int>{{"init", 1},
                                               {"fragment", 7},
                                               {"frame_block", 7},
                                               {"block_progress", 28},
                                               {"prompt_applied", 1},
                                               {"state", 3}}));
  EXPECT_EQ(lines(server.request("GET", path(id, "/stream.ndjson?video=none")).body).size(), 39u);
}

/// One message of a stream of server-sent events.
struct Sent {
  std::string event, id;
  json data;
};

std::vector<Sent> server_sent_events(const std::string& body) {
  std::vector<Sent> all;
  Sent sent;
  std::istringstream text(body);
  for (std::string line; std::getline(text, line);) {
    if (line.empty())
      all.push_back(std::exchange(sent, {}));
    else if (line.starts_with("event: "))
      sent.event = line.substr(7);
    else if (line.starts_with("id: "))
      sent.id = line.substr(4);
    else if (line.starts_with("data: "))
      sent.data = json::parse(line.substr(6));
  }
  return all;
}

TEST(TextStream, server_sent_events_go_on_where_the_connection_was_cut) {
  RunningServer server;
  const auto id = server.create();
  const std::string target = path(id, "/stream.sse");
  std::string before;
  {
    TestClient client(server.port());
    client.write("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(client.read_head().headers.at("content-type"), "text/event-stream");
    server.gate().allow(2 * kStepsPerBlock);
    before = read_until(client, "\"index\":1,");
  }
  const auto first = server_sent_events(before);
  server.gate().open();
  server.events(id);
  const auto second =
      server_sent_events(server.request("GET", target, {}, "Last-Event-ID: " + first.back().id + "\r\n").body);
  std::vector<int> fragments, sequences;
  std::string video;
  for (const auto& part : {first, second})
    for (const Sent& sent : part) {
      EXPECT_EQ(sent.event, sent.data["type"]);
      if (sent.event == "fragment") fragments.push_back(sent.data["index"]);
      if (sent.data.contains("sequence")) sequences.push_back(sent.data["sequence"]);
      if (sent.data.contains("data") && (sent.event != "init" || video.empty()))
        video += decode_base64("data", sent.data["data"].get<std::string>());
    }
  EXPECT_EQ(fragments, (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
  for (std::size_t i = 0; i < sequences.size(); ++i) EXPECT_EQ(sequences[i], static_cast<int>(i));
  EXPECT_EQ(second.back().event == "state" || second.back().event == "fragment", true);
  EXPECT_EQ(decoded_frames(video), static_cast<std::size_t>(kBlocks * kFramesPerBlock));
  // After the end an EventSource is told not to come back.
  EXPECT_EQ(server.request("GET", target, {}, "Last-Event-ID: " + second.back().id + "\r\n").status, 204);
  for (const char* wrong : {"x", "1", "1.", ".1", "-1.2", "1.2.3", "1.99999999999999999999"})
    EXPECT_EQ(server.request("GET", target, {}, std::string("Last-Event-ID: ") + wrong + "\r\n").status, 400) << wrong;
}

TEST(JpegFrames, come_as_binary_messages_with_their_positions) {
  RunningServer server;
  const auto id = server.create();
  TestClient viewer(server.port());
  ASSERT_EQ(viewer.upgrade(path(id, "/frames")).status, 101);
  EXPECT_EQ(json::parse(viewer.read_message().payload),
            (json{{"type", "format"}, {"width", 64}, {"height", 64}, {"fps", 16.0}, {"mime_type", "image/jpeg"}}));
  server.gate().allow(kStepsPerBlock);
  EXPECT_EQ(json::parse(viewer.read_message().payload),
            (json{{"type", "position"}, {"index", 0}, {"pts_s", 0.0}, {"skipped", 0}}));
  for (int i = 0; i < kFramesPerBlock; ++i) {
    const Frame picture = viewer.read_message();
    EXPECT_EQ(picture.opcode, 2);
    EXPECT_EQ(picture.payload.substr(0, 2), "\xff\xd8");
  }
  server.gate().open();
  Frame last = viewer.read_message();
  int pictures = 0, text = 0;
  for (; last.opcode == 1 || last.opcode == 2; last = viewer.read_message()) ++(last.opcode == 2 ? pictures : text);
  EXPECT_LE(pictures, (kBlocks - 1) * kFramesPerBlock);
  EXPECT_GE(pictures, kFramesPerBlock);
  EXPECT_EQ(last.close_code(), 1000);
  EXPECT_EQ(last.payload.substr(2), "finished");
}

TEST(JpegFrames, come_in_json_and_in_time_if_asked_for) {
  RunningServer server;
  server.gate().open();
  const auto id = server.create(R"({"prompt": "a", "fps": 48})");
  server.events(id);
  TestClient viewer(server.port());
  ASSERT_EQ(viewer.upgrade(path(id, "/frames?format=base64&pacing=realtime")).status, 101);
  viewer.read_message();
  const auto begin = std::chrono::steady_clock::now();
  int next = 72;  // the newest block
  for (Frame frame = viewer.read_message(); frame.opcode == 1; frame = viewer.read_message()) {
    const json picture = json::parse(frame.payload);
    EXPECT_EQ(picture["type"], "frame");
    EXPECT_EQ(picture["index"], next++);
    const std::string bytes = decode_base64("data", picture["data"].get<std::string>());
    EXPECT_EQ(media::decode_image(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size())).width, 64);
  }
  EXPECT_EQ(next, 84);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(11 * 1000 / 48));
  for (const char* query : {"?format=png", "?pacing=fast", "?from=start"})
    EXPECT_EQ(server.request("GET", path(id, std::string("/frames") + query)).status, 426) << query;
  EXPECT_EQ(TestClient(server.port()).upgrade(path(id, "/frames?format=png")).status, 400);
}

TEST(Base64, comes_back_as_it_was) {
  std::string text;
  for (int size = 0; size < 70; ++size) {
    EXPECT_EQ(decode_base64("x", encode_base64({reinterpret_cast<const uint8_t*>(text.data()), text.size()})), text);
    text += static_cast<char>(size * 37 + 200);
  }
  EXPECT_EQ(encode_base64(std::vector<uint8_t>{'M', 'a'}), "TWE=");
}

}  // namespace
}  // namespace rushes::server
