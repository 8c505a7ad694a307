// OmniAvatar's HTTP API over sockets, with an avatar that draws: the published bytes, what is refused, who leaves.
#include <gmock/gmock.h>

#include "rushes/server/api/omniavatar/omniavatar_test_server.h"
#include "rushes/server/http/base64.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class OmniAvatar : public AvatarServer {};

struct ServerEvent {
  std::string name, data;
};

/// Each must be "event: NAME\ndata: JSON\n\n" and nothing else.
std::vector<ServerEvent> events_of(std::string_view body) {
  std::vector<ServerEvent> events;
  while (!body.empty()) {
    const std::size_t line = body.find('\n'), end = body.find("\n\n");
    if (!body.starts_with("event: ") || end == body.npos || body.substr(line + 1, 6) != "data: ") {
      ADD_FAILURE() << "not an event: " << body.substr(0, 80);
      break;
    }
    events.push_back({std::string(body.substr(7, line - 7)), std::string(body.substr(line + 7, end - line - 7))});
    body.remove_prefix(end + 2);
  }
  return events;
}

media::Bytes bytes_of_base64(const std::string& text) {
  const std::string bytes = decode_base64("segment", text);
  return {bytes.begin(), bytes.end()};
}

TEST_F(OmniAvatar, says_that_it_is_healthy_in_the_published_bytes) {
  const auto server = serve();
  EXPECT_EQ(server->request("GET", "/health").body,
            "{\"model_loaded\":true,\"status\":\"healthy\",\"streaming_supported\":true}\n");
  const auto without = start([](ServerOptions& options) { options.listen = {"127.0.0.1:0=omniavatar"}; });
  EXPECT_EQ(without->request("GET", "/health").json()["model_loaded"], false);
  const Reply reply = ask(*without, "/generate-stream", json::object());
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.body, "{\"error\":\"Model not initialized\"}\n");
}

TEST_F(OmniAvatar, streams_segments_in_the_published_order_and_form) {
  const auto server = serve();
  const Reply reply = ask(*server, "/generate-stream", wanted(6.0));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream");
  EXPECT_EQ(reply.headers.at("cache-control"), "no-cache");
  EXPECT_EQ(reply.headers.at("transfer-encoding"), "chunked");
  const auto events = events_of(reply.body);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].name, "start");
  EXPECT_EQ(events[0].data, "{\"message\": \"Video generation started\"}");
  int64_t frames = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const ServerEvent& event = events[i + 1];
    EXPECT_EQ(event.name, "segment");
    EXPECT_THAT(event.data,
                StartsWith(fmt::format("{{\"segment_index\": {}, \"total_segments\": 2, \"segment_base64\": \"", i)));
    EXPECT_THAT(event.data, HasSubstr(i == 0 ? "\", \"is_final\": false, \"image\": {\"width\": "  // what became of it
                                             : "\", \"is_final\": true}"));
    const auto mp4 = bytes_of_base64(json::parse(event.data)["segment_base64"]);
    const auto pictures = media::decode_bytes("segment.mp4", mp4);
    ASSERT_FALSE(pictures.empty());
    EXPECT_EQ(pictures[0].seconds, 0);
    EXPECT_TRUE(pictures[0].is_key);
    EXPECT_NEAR(media::decode_audio(mp4).seconds(), static_cast<double>(pictures.size()) / 25, 0.07);
    frames += static_cast<int64_t>(pictures.size());
  }
  EXPECT_EQ(frames, 150);
  EXPECT_EQ(events[3].name, "complete");
  EXPECT_EQ(events[3].data, "{\"message\": \"Video generation completed\", \"total_segments\": 2}");
  const json session = server->request("GET", "/v1/sessions").json()["sessions"][0];
  EXPECT_EQ(session["state"], "finished");
  EXPECT_EQ(server->request("GET", "/v1/sessions/" + session["id"].get<std::string>() + "/hls/video.m3u8").status, 200);
}

TEST_F(OmniAvatar, streams_the_same_as_lines) {
  const auto server = serve();
  const Reply reply = ask(*server, "/generate-stream-chunked", wanted(0.5));
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  std::istringstream lines(reply.body);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, R"({"status": "started", "message": "Video generation started", "streaming": true})");
  std::getline(lines, line);
  EXPECT_THAT(line,
              StartsWith(R"({"status": "segment", "segment_index": 0, "total_segments": 1, "segment_base64": ")"));
  EXPECT_THAT(line, HasSubstr(R"(", "is_final": true, "image": {"width": )"));
  std::getline(lines, line);
  EXPECT_EQ(line,
            R"({"status": "completed", "message": "Video generation completed", "total_segments": 1, "final": true})");
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(OmniAvatar, tells_with_the_first_segment_what_became_of_the_request) {
  const auto server = serve();
  const json asked = wanted(6.0, {{"guidance_scale", 3}});
  const auto events = events_of(ask(*server, "/generate-stream", asked).body);
  ASSERT_EQ(events.size(), 4u);
  const json second = json::parse(events[2].data);
  for (const json& told : {json::parse(events[1].data), ask(*server, "/generate", asked).json()}) {
    EXPECT_EQ(told.value("/image/fit"_json_pointer, ""), "crop");
    EXPECT_EQ(told.value("/image/shown"_json_pointer, json()), json({0, 0, 8, 8}));
    EXPECT_EQ(told.value("/ignored/0/field"_json_pointer, ""), "guidance_scale");
  }
  for (const char* once : {"image", "ignored", "warnings"}) EXPECT_FALSE(second.contains(once));
}

TEST_F(OmniAvatar, leaves_the_sound_out_if_it_is_asked_to_or_nothing_is_said) {
  const auto server = serve();
  const json silent = wanted(0.5, {{"audio", false}});
  json nothing_said = wanted(0.5);
  nothing_said.erase("audio_base64");
  for (const json& body : {silent, nothing_said}) {
    const auto events = events_of(ask(*server, "/generate-stream", body).body);
    ASSERT_GE(events.size(), 3u);
    const std::string mp4 = decode_base64("segment", json::parse(events[1].data)["segment_base64"].get<std::string>());
    EXPECT_EQ(mp4.find("mp4a"), mp4.npos);
  }
}

TEST_F(OmniAvatar, answers_what_is_no_request_before_anything_is_streamed) {
  const auto server = serve();
  const struct {
    std::string body, type;
    int status;
    std::string words;
  } kRequests[] = {{"{}", "application/json", 400, "No JSON data provided"},
                   {"null", "application/json; charset=utf-8", 400, "No JSON data provided"},
                   {R"({"audio_base64": "QQ=="})", "application/json", 400, "Prompt is required"},
                   {"{", "application/json", 400, "400 Bad Request: "},
                   {"{}", "text/plain", 415, "415 Unsupported Media Type: "},
                   {"[1]", "application/json", 400, "'list' object has no attribute 'get'"}};
  for (const char* path : {"/generate-stream", "/generate-stream-chunked", "/generate"})
    for (const auto& [body, type, status, words] : kRequests) {
      SCOPED_TRACE(path + (" " + body));
      const Reply reply = server->request("POST", path, body, "Content-Type: " + type + "\r\n");
      EXPECT_EQ(reply.status, status);
      EXPECT_THAT(reply.json()["error"].get<std::string>(), StartsWith(words));
    }
}

TEST_F(OmniAvatar, answers_other_methods_and_paths_as_published) {
  const auto server = serve();
  for (const char* path : {"/generate-stream", "/generate-stream-chunked", "/generate"}) {
    SCOPED_TRACE(path);
    const Reply asked = server->request("OPTIONS", path), wrong = server->request("GET", path);
    EXPECT_EQ(asked.status, 200);
    EXPECT_EQ(asked.headers.at("allow"), "OPTIONS, POST");
    EXPECT_EQ(asked.body, "");
    for (const auto& [name, value] : asked.headers) EXPECT_FALSE(name.starts_with("access-control-")) << name;
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.headers.at("allow"), "OPTIONS, POST");
    EXPECT_TRUE(wrong.json()["error"].is_string());
  }
  EXPECT_EQ(server->request("POST", "/health").headers.at("allow"), "OPTIONS, GET, HEAD");
  for (const char* method : {"GET", "OPTIONS"}) {
    const Reply none = server->request(method, "/nothing");
    EXPECT_EQ(none.status, 404) << method;
    EXPECT_EQ(none.json()["error"], "there is nothing at /nothing");
  }
  EXPECT_TRUE(server->request("GET", "/v1/nothing").json()["error"].is_object()) << "this server's own words";
  TestClient client(server->port());
  client.write(
      "POST /generate-stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 999999999\r\n\r\n");
  const Reply large = client.read_reply();
  EXPECT_EQ(large.status, 413);
  EXPECT_TRUE(large.json()["error"].is_string());
}

TEST_F(OmniAvatar, answers_preflights_of_socket_io_as_its_servers_do) {
  const auto server = serve([](ServerOptions& options) { options.access.allow_origins = {"http://localhost:9101"}; });
  const Reply asked = server->request("OPTIONS", "/socket.io/?EIO=4&transport=polling", "",
                                      "Origin: http://localhost:9101\r\nAccess-Control-Request-Method: POST\r\n");
  EXPECT_EQ(asked.status, 200);
  EXPECT_EQ(asked.body, "OK");
  EXPECT_EQ(asked.headers.at("access-control-allow-methods"), "OPTIONS, GET, POST");
  EXPECT_EQ(asked.headers.at("access-control-allow-origin"), "http://localhost:9101");
}

TEST_F(OmniAvatar, tells_what_is_wrong_with_files_and_numbers_behind_the_start) {
  const auto server = serve();
  const struct {
    json more;
    std::string words;
  } kWrong[] = {{{{"audio_base64", "QUI"}}, "Incorrect padding"},
                {{{"image_base64", base64("no picture")}}, "JPEG"},
                {{{"audio_base64", base64("no sound")}}, ""},
                {{{"num_steps", 0}}, "steps"},
                {{{"num_steps", 100'000}}, "steps"}};
  for (const auto& [more, words] : kWrong) {
    SCOPED_TRACE(more.dump().substr(0, 60));
    const Reply reply = ask(*server, "/generate-stream", wanted(0.2, more));
    EXPECT_EQ(reply.status, 200);
    const auto events = events_of(reply.body);
    ASSERT_EQ(events.size(), 2u) << reply.body.substr(0, 300);
    EXPECT_EQ(events[1].name, "error");
    EXPECT_THAT(json::parse(events[1].data)["error"].get<std::string>(), HasSubstr(words));
    EXPECT_THAT(ask(*server, "/generate-stream-chunked", wanted(0.2, more)).body,
                HasSubstr("\n{\"status\": \"error\", "));
    EXPECT_EQ(ask(*server, "/generate", wanted(0.2, more)).status, 500);
  }
  const auto events = events_of(
      ask(*server, "/generate-stream", wanted(0.2, {{"image_base64", "data:image/png;base64," + base64(picture())}}))
          .body);
  EXPECT_EQ(events.back().name, "complete");
}

TEST_F(OmniAvatar, gives_the_whole_video_also_where_it_cannot_be_recorded) {
  const auto pictures = [](int64_t room) {
    const auto server = serve([&](ServerOptions& options) { options.sessions.max_recording_bytes = room; });
    const Reply reply = ask(*server, "/generate", wanted(1.0));
    EXPECT_EQ(reply.status, 200) << reply.body.substr(0, 300);
    const std::size_t pictures = media::decode_bytes("whole.mp4", bytes_of_base64(reply.json()["video_base64"])).size();
    const std::string named = server->request("GET", "/video/" + reply.json()["output_path"].get<std::string>()).body;
    EXPECT_EQ(media::decode_bytes("named.mp4", media::Bytes(named.begin(), named.end())).size(), pictures);
    return pictures;
  };
  const std::size_t all = pictures(int64_t{1} << 30);
  EXPECT_GT(all, 1u);
  for (const int64_t room : {0, 4000}) EXPECT_EQ(pictures(room), all);
}

TEST_F(OmniAvatar, gives_the_whole_video_with_its_sound_and_serves_it_by_its_name_alone) {
  const auto server = serve();
  const Reply reply = ask(*server, "/generate", wanted(1.0));
  ASSERT_EQ(reply.status, 200) << reply.body.substr(0, 300);
  const json answer = reply.json();
  EXPECT_THAT(reply.body, HasSubstr("\"output_path\":\"demo_out/server_output_"));
  EXPECT_EQ(answer["prompt"], "a man speaks");
  EXPECT_EQ(answer["success"], true);
  const std::string path = answer["output_path"];
  EXPECT_THAT(path, testing::MatchesRegex("demo_out/server_output_[0-9]{8}_[0-9]{6}/result_000_wav\\.mp4"));
  const auto mp4 = bytes_of_base64(answer["video_base64"]);
  EXPECT_EQ(media::decode_bytes("whole.mp4", mp4).size(), 25u);
  EXPECT_NEAR(media::decode_audio(mp4).seconds(), 1, 0.13);
  const Reply file = server->request("GET", "/video/" + path);
  EXPECT_EQ(file.status, 200);
  EXPECT_EQ(file.headers.at("content-disposition"), "attachment; filename=\"result_000_wav.mp4\"");
  EXPECT_EQ(media::Bytes(file.body.begin(), file.body.end()), mp4);
  for (const char* other : {"none.mp4", "demo_out/x/result_000.mp4", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd",
                            "demo_out/../../etc/passwd"}) {
    const Reply none = server->request("GET", std::string("/video/") + other);
    EXPECT_EQ(none.status, 404) << other;
    EXPECT_THAT(none.body, HasSubstr("rror")) << other;
  }
}

TEST_F(OmniAvatar, ends_the_generation_of_a_client_that_leaves) {
  AvatarGate gate;
  const auto server = serve({}, gate.hook());
  {
    TestClient client(server->port());
    const std::string body = wanted(3.0).dump();
    client.write(
        "POST /generate-stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(client.read_head().status, 200);
    std::string chunk;
    EXPECT_TRUE(client.read_chunk(chunk));
    EXPECT_THAT(chunk, StartsWith("event: start\n")) << "it comes before there is anything to show";
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (server->request("GET", "/v1/sessions").json()["sessions"].empty() &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const auto state = [&] { return server->request("GET", "/v1/sessions").json()["sessions"][0]["state"]; };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (state() != "stopped" && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(state(), "stopped");
  gate.let_go();
}

TEST_F(OmniAvatar, answers_what_it_has_no_room_for_with_the_status_of_a_limit) {
  const auto answer = [&](const std::function<void(ServerOptions&)>& limit) {
    return ask(*serve(limit), "/generate", wanted(0.2));
  };
  const Reply full = answer([](ServerOptions& options) { options.sessions.max_input_bytes = 100; });
  EXPECT_EQ(full.status, 429) << full.body;
  EXPECT_TRUE(full.headers.contains("retry-after"));
  const Reply large = answer([](ServerOptions& options) { options.sessions.max_working_bytes = 1; });
  EXPECT_EQ(large.status, 413) << large.body;
}

TEST_F(OmniAvatar, serves_a_video_by_its_name_also_after_a_restart_as_long_as_it_has_it) {
  const ScratchFolder data;
  const auto here = [&](ServerOptions& options) { options.data_directory = data.path; };
  auto server = serve(here);
  const json answer = ask(*server, "/generate", wanted(0.4)).json();
  const std::string target = "/video/" + answer["output_path"].get<std::string>();
  server.reset();
  server = serve(here);
  const Reply file = server->request("GET", target);
  EXPECT_EQ(file.status, 200);
  EXPECT_EQ(base64(file.body), answer["video_base64"].get<std::string>());
  EXPECT_NE(ask(*server, "/generate", wanted(0.4)).json()["output_path"], answer["output_path"]);
  const std::string oldest = server->request("GET", "/v1/sessions").json()["sessions"][0]["id"];
  EXPECT_EQ(server->request("DELETE", "/v1/sessions/" + oldest).status, 204);
  EXPECT_EQ(server->request("GET", target).status, 404);
}

/// Begins a video of so many seconds; reads what says so.
void begin_stream(TestClient& client, const std::string& body) {
  client.write(
      "POST /generate-stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_EQ(client.read_head().status, 200);
  std::string chunk;
  EXPECT_TRUE(client.read_chunk(chunk));
  EXPECT_THAT(chunk, StartsWith("event: start\n"));
}

TEST_F(OmniAvatar, keeps_who_waits_for_a_place_on_the_line) {
  for (const int64_t max_queued : {0, 4}) {
    SCOPED_TRACE(max_queued);
    AvatarGate gate;
    const auto server = serve(
        [&](ServerOptions& options) {
          options.sessions.max_running = 1;
          options.sessions.max_queued = max_queued;
          options.connections.keep_alive = std::chrono::milliseconds(30);
        },
        gate.hook());
    TestClient first(server->port()), second(server->port());
    begin_stream(first, wanted(0.4).dump());
    begin_stream(second, wanted(0.4).dump());
    std::string chunk;
    EXPECT_TRUE(second.read_chunk(chunk));
    EXPECT_EQ(chunk, ": keep-alive\n\n");
    gate.let_go();
    for (TestClient* client : {&first, &second}) {
      std::string last;
      while (client->read_chunk(chunk)) last = chunk;
      EXPECT_THAT(last, StartsWith("event: complete\n"));
    }
  }
}

TEST_F(OmniAvatar, who_came_first_is_served_first_and_who_leaves_the_line_is_not_waited_for) {
  AvatarGate gate;
  const auto server = serve([](ServerOptions& options) { options.sessions.max_running = 1; }, gate.hook());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (const char* prompt : {"one", "two", "three", "four", "five"}) {
    clients.push_back(std::make_unique<TestClient>(server->port()));
    begin_stream(*clients.back(), wanted(0.4, {{"prompt", prompt}}).dump());
    // In the line before the next one comes.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    while (std::chrono::steady_clock::now() < deadline) server->request("GET", "/health");
  }
  clients[2].reset();
  EXPECT_EQ(server->request("GET", "/v1/sessions").json()["sessions"].size(), 1u) << "the others are none yet";
  gate.let_go();
  for (const auto& client : clients) {
    if (!client) continue;
    std::string chunk, last;
    while (client->read_chunk(chunk)) last = chunk;
    EXPECT_THAT(last, StartsWith("event: complete\n"));
  }
  const json listed = server->request("GET", "/v1/sessions").json();
  std::vector<std::string> prompts;
  for (const json& session : listed["sessions"]) prompts.push_back(session["prompts"][0]);
  EXPECT_THAT(prompts, testing::ElementsAre("one", "two", "four", "five"));
}

}  // namespace
}  // namespace rushes::server
