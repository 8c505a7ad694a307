// What clients get wrong: each mistake gets its status and a message that names it, and the server goes on.
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {

using nlohmann::json;

const std::string kUnknownId(32, '0');

TEST(BadInput, in_page_paths_finds_no_file) {
  RunningServer server;
  namespace fs = std::filesystem;
  const fs::path web = server.directory() / "web";
  fs::create_directories(web / ".git");
  std::ofstream(web / "index.html") << "page";
  std::ofstream(web / ".git" / "config") << "hidden";
  std::ofstream(server.directory() / "secret") << "not for clients";
  fs::create_symlink(server.directory() / "secret", web / "link");
  EXPECT_EQ(server.request("GET", "/index.html").body, "page");
  for (const char* target : {"/../secret", "/%2e%2e/secret", "/..%2fsecret", "/./../secret", "//etc/passwd",
                             "/%2fetc/passwd", "/link", "/.git/config", "/index.html%00.png", "/index.html/", "/%",
                             "/%zz", "/..\\secret", "/web/../../secret", "/assets/../../secret"}) {
    const Reply reply = server.request("GET", target);
    EXPECT_EQ(reply.status, 404) << target << ": " << reply.body;
    EXPECT_EQ(reply.body.find("not for clients"), std::string::npos) << target;
  }
}

TEST(BadInput, that_is_no_http_closes_the_connection) {
  RunningServer server([](ServerOptions& options) { options.connections.header = std::chrono::milliseconds(300); });
  const struct {
    const char* name;
    std::string bytes;
    int status;  // 0: closed without an answer
  } cases[] = {
      {"noise", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "\r\n\r\n", 400},
      {"no version", "GET /health\r\n\r\n", 400},
      {"bad version", "GET /health HTTP/9.9\r\n\r\n", 400},
      {"bad length", "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", 400},
      {"two lengths", "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
       400},
      {"bad chunk", "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"long header", "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n", 431},
      {"long target", "GET /" + std::string(40'000, 'x') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431},
      {"no path", "GET health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"no host", "GET /v1/sessions HTTP/1.1\r\n\r\n", 400},
      {"too long by its own word",
       "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", 413},
      {"too long in chunks",
       "POST /v1/sessions/" + kUnknownId +
           "/prompt HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" +
           std::string(0x20000, 'x') + "\r\n0\r\n\r\n",
       413},
      {"unfinished header", "GET / HTTP/1.1\r\nHost: lo", 0},
      {"unfinished line", "GE", 0},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    TestClient client(server.port());
    client.write(c.bytes);
    const Reply reply = client.read_reply();
    EXPECT_EQ(reply.status, c.status) << reply.body;
    EXPECT_TRUE(client.closed_by_server());
  }
  EXPECT_EQ(server.request("GET", "/health").status, 200);
}

TEST(BadInput, of_clients_that_leave_in_the_middle_disturbs_nobody) {
  RunningServer server;
  const auto id = server.create();
  const std::string starts[] = {"", "G", "GET / HTTP/1.1\r\n",
                                "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"pro",
                                "GET /v1/sessions/" + id + "/video.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n"};
  for (const std::string& start : starts)
    for (const bool reset : {false, true}) {
      TestClient client(server.port());
      client.write(start);
      if (reset) client.reset();
    }
  TestClient half(server.port());
  half.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  half.half_close();
  EXPECT_EQ(half.read_reply().status, 200);
  EXPECT_TRUE(half.closed_by_server());
  TestClient cut(server.port());
  cut.write("POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  cut.half_close();
  EXPECT_TRUE(cut.closed_by_server());
  server.gate().open();
  EXPECT_EQ(server.events(id).back()["state"], "finished");
}

TEST(BadInput, of_slow_bodies_ends_after_the_time_for_it) {
  RunningServer server([](ServerOptions& options) { options.connections.body = std::chrono::milliseconds(200); });
  TestClient client(server.port());
  client.write("POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_TRUE(client.closed_by_server());
}

TEST(BadInput, of_waiting_clients_is_answered_before_they_send) {
  RunningServer server;
  const std::string body = R"({"prompt": "a red circle"})";
  TestClient client(server.port());
  client.write("POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_EQ(client.read_head().status, 100);
  client.write(body);
  EXPECT_EQ(client.read_reply().status, 201);
  TestClient refused(server.port());
  refused.write(
      "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n");
  EXPECT_EQ(refused.read_reply().status, 413);
  TestClient old(server.port());  // HTTP/1.0 does not know interim answers
  old.write("POST /v1/sessions HTTP/1.0\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_EQ(old.read_reply().status, 201);
}

TEST(BadInput, in_websocket_handshakes_is_refused) {
  RunningServer server;
  const auto id = server.create();
  EXPECT_EQ(TestClient(server.port()).upgrade("/v1/sessions/" + kUnknownId + "/events").status, 404);
  EXPECT_EQ(TestClient(server.port()).upgrade("/v1/sessions/abc/video").status, 400);
  EXPECT_EQ(TestClient(server.port()).upgrade("/v1/sessions/" + id + "/video?from=x").status, 400);
  TestClient old(server.port());
  old.write("GET /v1/sessions/" + id +
            "/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  const int status = old.read_reply().status;
  EXPECT_TRUE(status == 426 || status == 400) << status;
  for (const char* key :
       {"", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25*ZQ=="}) {
    TestClient client(server.port());
    client.write("GET /v1/sessions/" + id +
                 "/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
                 key + "\r\n\r\n");
    EXPECT_EQ(client.read_reply().status, 400) << key;
  }
}

TEST(BadInput, in_websocket_frames_closes_that_viewer_only) {
  RunningServer server;
  const auto id = server.create();
  TestClient good(server.port());
  good.upgrade("/v1/sessions/" + id + "/video");
  const std::pair<const char*, std::function<void(TestClient&)>> mistakes[] = {
      {"not masked", [](TestClient& c) { c.write_frame(1, "hello", false); }},
      {"reserved opcode", [](TestClient& c) { c.write_frame(3, "hello"); }},
      {"reserved bits", [](TestClient& c) { c.write(std::string("\xf1\x80\0\0\0\0", 6)); }},
      {"too great",
       [](TestClient& c) { c.write(std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14)); }},
      {"continues nothing", [](TestClient& c) { c.write_frame(0, "hello"); }},
      {"broken close", [](TestClient& c) { c.write_frame(8, "x"); }},
      {"text that is no UTF-8", [](TestClient& c) { c.write_frame(1, "\xff\xff"); }},
      {"cut off",
       [](TestClient& c) {
         c.write("\x82");
         c.half_close();
       }},
      {"polite", [](TestClient& c) { c.write_frame(8, std::string("\x03\xe8", 2)); }},
  };
  for (const auto& [name, make] : mistakes) {
    SCOPED_TRACE(name);
    TestClient bad(server.port());
    ASSERT_EQ(bad.upgrade("/v1/sessions/" + id + "/video").status, 101);
    bad.read_message();
    make(bad);
    EXPECT_TRUE(bad.closed_by_server());
  }
  TestClient chatty(server.port());
  chatty.upgrade("/v1/sessions/" + id + "/video");
  for (int i = 0; i < 100; ++i) chatty.write_frame(1, "are we there yet?");
  chatty.write_frame(9, "ping");
  chatty.read_message();
  EXPECT_EQ(chatty.read_frame().opcode, 10);
  server.gate().open();
  int messages = 0;
  while (good.read_message().opcode == 2) ++messages;
  EXPECT_EQ(messages, 8);
}

TEST(BadInput, of_too_many_connections_is_refused_until_some_leave) {
  RunningServer server([](ServerOptions& options) { options.connections.connections = 4; });
  {
    std::vector<std::unique_ptr<TestClient>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(std::make_unique<TestClient>(server.port()));
      EXPECT_EQ(clients.back()->request("GET", "/health").status, 200);
    }
    EXPECT_EQ(TestClient(server.port()).read_reply().status, 503);
  }
  int status = 0;
  for (int i = 0; i < 1000 && status != 200; ++i) status = server.request("GET", "/health").status;
  EXPECT_EQ(status, 200);
}

}  // namespace
}  // namespace rushes::server
