#include "rushes/server/server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "rushes/base/log.h"
#include "rushes/media/test_video.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

media::Bytes bytes(const std::string& text) { return media::Bytes(text.begin(), text.end()); }
std::size_t decoded_frames(const std::string& mp4) { return media::decode_bytes("server_test.mp4", bytes(mp4)).size(); }
std::string path(const std::string& id, const std::string& what = {}) { return "/v1/sessions/" + id + what; }

TEST(Server, makes_a_video_of_the_size_and_the_length_that_were_asked_for) {
  RunningServer server;
  server.gate().open();
  const Reply created = server.request("POST", "/v1/sessions",
                                       R"({"prompt": "a red circle", "seed": 7, "segments": 2, "size": "64x48"})");
  ASSERT_EQ(created.status, 201) << created.body;
  const auto id = created.json()["id"].get<std::string>();
  EXPECT_EQ(created.headers.at("location"), path(id));
  EXPECT_EQ(created.json()["format"]["width"], 64);
  EXPECT_EQ(created.json()["format"]["height"], 48);
  const auto events = server.events(id);
  EXPECT_EQ(events.back()["state"], "finished");
  const Reply file = server.request("GET", path(id, "/video.mp4"));
  EXPECT_EQ(file.status, 200);
  EXPECT_TRUE(file.complete);
  EXPECT_EQ(file.headers.at("content-type"), "video/mp4");
  EXPECT_EQ(decoded_frames(file.body), 2u * 7 * 12);
  const json status = server.status(id);
  EXPECT_EQ(status["state"], "finished");
  EXPECT_EQ(status["seed"], 7);
  EXPECT_EQ(status["done"]["blocks"], 14);
  // The file is written anew, with its index in front, once it is complete.
  const auto told = [&] { return server.status(id)["recording"]["bytes"].get<std::size_t>(); };
  const auto there = [&] { return server.request("GET", path(id, "/video.mp4")).body.size(); };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (told() != there() && std::chrono::steady_clock::now() < deadline) {}
  EXPECT_EQ(told(), there());
  EXPECT_TRUE(status["times_s"]["first_block"].is_number());
}

TEST(Server, tells_events_in_order_from_the_start) {
  RunningServer server;
  server.gate().open();
  const auto id = server.create();
  const auto events = server.events(id);
  int64_t sequence = 0, block = 0, step = 0;
  std::vector<std::string> states;
  for (const json& event : events) {
    EXPECT_EQ(event["sequence"], sequence++);
    const std::string type = event["type"];
    if (type == "state") states.push_back(event["state"]);
    if (type == "block_progress") {
      EXPECT_EQ(event["block"], block);
      EXPECT_EQ(event["step"], ++step);
    }
    if (type == "frame_block") {
      EXPECT_EQ(step, 4);
      EXPECT_EQ(event["block"], block++);
      EXPECT_EQ(event["video_frames"], 12);
      EXPECT_TRUE(event["times_ms"]["denoise"].is_number());
      step = 0;
    }
  }
  EXPECT_EQ(block, 7);
  EXPECT_EQ(states, (std::vector<std::string>{"queued", "running", "finished"}));
}

TEST(Server, switches_the_prompt_at_a_block_border) {
  RunningServer server;
  const auto id = server.create(R"({"prompt": "first"})");
  server.gate().allow(2);
  TestClient watching(server.port());
  watching.upgrade(path(id, "/events"));
  while (json::parse(watching.read_message().payload).value("step", 0) != 2) {}
  EXPECT_EQ(server.request("POST", path(id, "/prompt"), R"({"prompt": "second"})").status, 202);
  server.gate().open();
  std::vector<std::string> prompts;
  for (const json& event : server.events(id))
    if (event["type"] == "frame_block") prompts.push_back(event["prompt"]);
  ASSERT_EQ(prompts.size(), 7u);
  EXPECT_EQ(prompts[0], "first");
  EXPECT_EQ(prompts[1], "second");
}

TEST(Server, drops_a_viewer_that_never_reads_and_tells_it_why) {
  RunningServer server([](ServerOptions& options) {
    options.connections.stall = std::chrono::milliseconds(300);
    options.connections.send_buffer_bytes = 64 << 10;
  });
  server.gate().open();
  const auto id = server.create(R"({"prompt": "busy", "segments": 150, "size": "512x512"})");
  TestClient silent(server.port(), 4096), lively(server.port());
  ASSERT_EQ(silent.upgrade(path(id, "/video")).status, 101);
  ASSERT_EQ(lively.upgrade(path(id, "/video")).status, 101);
  const auto dropped = [&] {
    const std::string metrics = server.request("GET", "/metrics").body;
    return metrics.find("rushes_viewers_dropped_total 1\n") != std::string::npos;
  };
  std::size_t received = 0;
  while (!dropped()) {
    const Frame frame = lively.read_message();  // goes on all the time
    ASSERT_EQ(frame.opcode, 2) << "the session ended before the silent viewer was dropped";
    received += frame.payload.size();
  }
  EXPECT_GT(received, 0u);
  EXPECT_EQ(server.request("POST", path(id, "/stop")).status, 200);
  // It reads at last: what the kernel kept, then the reason.
  Frame close;
  for (close = silent.read_frame(); close.opcode == 2 || close.opcode == 0; close = silent.read_frame()) {}
  EXPECT_EQ(close.opcode, 8);
  EXPECT_EQ(close.close_code(), 1008);
  EXPECT_NE(close.payload.find("the client read nothing for"), std::string::npos);
  Frame end;
  read_video(lively, &end);
  EXPECT_EQ(end.close_code(), 1000);
}

TEST(Server, is_undisturbed_by_viewers_that_leave) {
  RunningServer server;
  const auto id = server.create();
  TestClient staying(server.port());
  staying.upgrade(path(id, "/video"));
  for (int i = 0; i < 12; ++i) {
    TestClient leaving(server.port());
    const char* what = i % 3 == 0 ? "/events" : i % 3 == 1 ? "/video" : "/video.mp4";
    if (i % 3 == 2)
      leaving.write("GET " + path(id, what) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    else
      leaving.upgrade(path(id, what));
    leaving.readable(std::chrono::seconds(5));
    if (i % 2) leaving.reset();
  }
  server.gate().open();
  EXPECT_EQ(read_video(staying).size(), 8u);
  EXPECT_EQ(server.status(id)["state"], "finished");
}

TEST(Server, notices_that_a_viewer_of_a_paused_session_has_left) {
  RunningServer server;
  const auto id = server.create();
  {
    TestClient viewer(server.port());
    viewer.write("GET " + path(id, "/video.mp4") + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    std::string init;
    viewer.read_head();
    viewer.read_chunk(init);
    EXPECT_EQ(server.status(id)["viewers"], 1);
  }
  for (int i = 0; i < 1000 && server.status(id)["viewers"] != 0; ++i) {}
  EXPECT_EQ(server.status(id)["viewers"], 0);
}

TEST(Server, shares_the_device_between_sessions) {
  RunningServer server;
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(server.create(R"({"prompt": "p", "segments": 3})"));
  server.gate().open();
  for (const auto& id : ids) EXPECT_EQ(server.events(id).back()["state"], "finished");
  EXPECT_EQ(server.request("GET", "/v1/sessions").json()["sessions"].size(), 3u);
  // Each got its first block before any had its last.
  double latest_first = 0, earliest_end = 1e9;
  for (const auto& id : ids) {
    const json times = server.status(id)["times_s"];
    latest_first = std::max(latest_first, times["first_block"].get<double>());
    earliest_end = std::min(earliest_end, times["end"].get<double>());
  }
  EXPECT_LT(latest_first, earliest_end);
}

TEST(Server, does_not_wait_for_ever_for_a_viewer_that_does_not_answer) {
  RunningServer server([](ServerOptions& options) {
    options.farewell = std::chrono::milliseconds(300);
    options.connections.closing = std::chrono::hours(1);
  });
  const auto id = server.create();
  TestClient viewer(server.port());
  viewer.upgrade(path(id, "/video"));
  server.gate().open();
  const auto begin = std::chrono::steady_clock::now();
  server.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::minutes(5));
}

TEST(Server, reports_health_properties_models_and_metrics) {
  RunningServer server;
  server.create();
  EXPECT_EQ(server.request("GET", "/health").json()["status"], "ok");
  EXPECT_EQ(server.request("GET", "/ready").json()["status"], "ready");
  EXPECT_EQ(server.request("GET", "/props").json()["model"]["name"], "drawing");
  EXPECT_EQ(server.request("GET", "/v1/models").json()["models"][0]["name"], "drawing");
  const std::string metrics = server.request("GET", "/metrics").body;
  for (const char* line : {"rushes_sessions_created_total 1\n", "# TYPE rushes_sessions gauge\n",
                           "rushes_http_answers_total{status=\"201\"} 1\n"})
    EXPECT_NE(metrics.find(line), std::string::npos) << line << metrics;
}

TEST(Server, serves_the_page_and_keeps_connections_open) {
  RunningServer server;
  EXPECT_NE(server.request("GET", "/").body.find("make run"), std::string::npos);
  fs::create_directories(server.directory() / "web" / "assets");
  std::ofstream(server.directory() / "web" / "index.html") << "<!doctype html>";
  std::ofstream(server.directory() / "web" / "assets" / "app.js") << "let a = 1";
  TestClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    const Reply page = client.request("GET", "/");
    EXPECT_EQ(page.body, "<!doctype html>");
    EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
    EXPECT_EQ(page.headers.at("cache-control"), "no-cache");
  }
  const Reply script = client.request("GET", "/assets/app.js");
  EXPECT_EQ(script.headers.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_NE(script.headers.at("cache-control").find("immutable"), std::string::npos);
  const Reply other = client.request("GET", "/assets/app.js", "", "Range: bytes=0-1\r\nIf-Match: \"x\"\r\n");
  EXPECT_EQ(other.status, 412);
  EXPECT_EQ(other.headers.at("cache-control"), "no-cache");
}

TEST(Server, serves_the_page_at_the_address_of_a_session) {
  RunningServer server;
  fs::create_directories(server.directory() / "web" / "assets");
  std::ofstream(server.directory() / "web" / "index.html") << "<!doctype html>";
  std::ofstream(server.directory() / "web" / "assets" / "app.js") << "let a = 1";
  for (const char* page : {"/s/0f6c2a", "/s/0f6c2a?from=mail", "/s/01234567-89ab-cdef"}) {
    const Reply reply = server.request("GET", page);
    EXPECT_EQ(reply.body, "<!doctype html>") << page;
    EXPECT_EQ(reply.headers.at("cache-control"), "no-cache") << page;
  }
  // The page names its assets relative to itself.
  const Reply script = server.request("GET", "/s/assets/app.js");
  EXPECT_EQ(script.body, "let a = 1");
  EXPECT_NE(script.headers.at("cache-control").find("immutable"), std::string::npos);
  for (const char* missing : {"/s", "/s/", "/s/0f6c/0f6c", "/s/assets/0f6c", "/s/../secret", "/s//assets/app.js"})
    EXPECT_EQ(server.request("GET", missing).status, 404) << missing;
}

TEST(Server, serves_other_pages_without_their_ending) {
  RunningServer server;
  fs::create_directories(server.directory() / "web");
  std::ofstream(server.directory() / "web" / "admin.html") << "<!doctype html>";
  const Reply page = server.request("GET", "/admin");
  EXPECT_EQ(page.body, "<!doctype html>");
  EXPECT_EQ(page.headers.at("cache-control"), "no-cache");
  EXPECT_TRUE(page.headers.contains("content-security-policy"));
  for (const char* missing : {"/admin/", "/admi", "/admin.html.html", "/."})
    EXPECT_EQ(server.request("GET", missing).status, 404) << missing;
}

TEST(Server, tells_the_newest_lines_of_its_log) {
  RunningServer server;
  log::warning("this line is looked for");
  const auto last = server.request("GET", "/v1/log").json()["lines"].back();
  EXPECT_EQ(last["message"], "this line is looked for");
  EXPECT_EQ(last["level"], "warning");
  const std::string after = "/v1/log?after=" + last["number"].dump();
  EXPECT_TRUE(server.request("GET", after).json()["lines"].empty());
  for (const char* wrong : {"x", "-1", "1.5", ""})
    EXPECT_EQ(server.request("GET", std::string("/v1/log?after=") + wrong).status, 400) << wrong;
}

TEST(Server, refuses_an_address_that_is_taken_or_open_to_all) {
  RunningServer server;
  const auto listen = [&](const std::string& address, ErrorCode code) {
    try {
      RunningServer other([&](ServerOptions& options) { options.listen = {address}; });
      ADD_FAILURE() << address;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
    }
  };
  listen("127.0.0.1:" + std::to_string(server.port()), ErrorCode::unavailable);
  for (const char* address : {"0.0.0.0:0", "nowhere", "127.0.0.1:99999", "127.0.0.1:", "[::1:80", "example.org:80", ""})
    listen(address, ErrorCode::invalid_argument);
}

TEST(Server, asks_for_the_token_where_one_was_given) {
  RunningServer server([](ServerOptions& options) { options.access.tokens = {"secret", "another"}; });
  EXPECT_EQ(server.request("GET", "/v1/sessions").status, 401);
  EXPECT_EQ(server.request("GET", "/v1/sessions", "", "Authorization: Bearer wrong\r\n").status, 401);
  EXPECT_EQ(server.request("GET", "/v1/sessions", "", "Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(server.request("GET", "/v1/sessions?token=secret").status, 200);
  EXPECT_EQ(server.request("GET", "/health").status, 200);
  EXPECT_EQ(server.request("GET", "/").status, 200);
  EXPECT_EQ(server.request("GET", "/v1/nothing").status, 401);
}

TEST(Server, keeps_foreign_pages_away) {
  RunningServer server([](ServerOptions& options) { options.access.allow_origins = {"https://friend.example"}; });
  const std::string own = "Origin: http://127.0.0.1:" + std::to_string(server.port()) + "\r\n";
  const std::string foreign = "Origin: http://evil.example\r\n", friendly = "Origin: https://friend.example\r\n";
  const auto id = server.create();
  const auto upgrade = [&](const std::string& origin) {
    return TestClient(server.port()).upgrade(path(id, "/events"), origin).status;
  };
  EXPECT_EQ(upgrade(own), 101);
  EXPECT_EQ(upgrade(friendly), 101);
  EXPECT_EQ(upgrade(foreign), 403);
  EXPECT_EQ(server.request("POST", path(id, "/stop"), "", foreign).status, 403);
  const Reply allowed = server.request("POST", path(id, "/stop"), "", friendly);
  EXPECT_EQ(allowed.status, 200);
  EXPECT_EQ(allowed.headers.at("access-control-allow-origin"), "https://friend.example");
  TestClient rebound(server.port());
  rebound.write("GET /v1/sessions HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(rebound.read_reply().status, 403);
}

}  // namespace
}  // namespace rushes::server
