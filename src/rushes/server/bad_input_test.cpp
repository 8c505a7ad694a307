// What clients get wrong: each mistake gets its status and a message that names it, and the server goes on.
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {

using nlohmann::json;

const std::string kUnknownId(32, '0');

struct Mistake {
  const char* name;
  std::string method, target, body;
  int status;
  const char* words;  // that the message must contain
};

void expect_mistakes(const RunningServer& server, const std::vector<Mistake>& mistakes) {
  for (const Mistake& m : mistakes) {
    SCOPED_TRACE(m.name);
    const Reply reply = server.request(m.method, m.target, m.body);
    EXPECT_EQ(reply.status, m.status) << reply.body.substr(0, 300);
    ASSERT_FALSE(reply.body.empty());
    const std::string message = reply.json()["error"]["message"];
    EXPECT_NE(message.find(m.words), std::string::npos) << message;
    EXPECT_FALSE(reply.json()["error"]["code"].get<std::string>().empty());
  }
  EXPECT_EQ(server.request("GET", "/health").status, 200);
}

std::string prompt_of(std::size_t size) { return R"({"prompt": ")" + std::string(size, 'x') + "\"}"; }

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(BadInput, in_session_requests_is_named) {
  RunningServer server;
  const std::string sessions = "/v1/sessions";
  std::string many_names;
  for (int i = 0; i < 50'000; ++i) many_names += fmt::format("\"{}\":1,", i);
  const auto post = [&](const char* name, std::string body, int status, const char* words) {
    return Mistake{name, "POST", sessions, std::move(body), status, words};
  };
  expect_mistakes(
      server,
      {
          post("no body", "", 400, "not JSON"),
          post("no JSON", "prompt=a", 400, "not JSON"),
          post("cut off", R"({"prompt": "a)", 400, "byte 14"),
          post("list", R"(["a"])", 400, "object (got array)"),
          post("text after it", R"({"prompt":"a"} x)", 400, "not JSON"),
          post("not UTF-8", "{\"prompt\": \"\xff\xfe\"}", 400, "not JSON"),
          post("deep", std::string(60000, '['), 400, "not JSON"),
          post("deep and whole", std::string(20000, '[') + std::string(20000, ']'), 400, "object"),
          post("very many values", "{\"prompt\":[" + repeated("[],", 100'000) + "1]}", 413, "more than 65536 values"),
          post("very many objects", "{\"a\":[" + repeated("{\"a\":1},", 60'000) + "1]}", 413, "values"),
          post("very many fields", "{" + many_names + "\"a\":1}", 413, "more than 1000 fields"),
          post("twice", R"({"prompt":"a","prompt":"b"})", 400, "the field 'prompt' twice"),
          post("nothing", "{}", 400, "give prompt or prompts"),
          post("both", R"({"prompt":"a","prompts":["b"]})", 400, "not both"),
          post("null prompt", R"({"prompt":null})", 400, "give prompt or prompts"),
          post("empty prompt", R"({"prompt":""})", 400, "prompt is empty"),
          post("blank prompt", R"({"prompt":" \n\t "})", 400, "prompt is empty"),
          post("separators only", R"({"prompt":" ; ;"})", 400, "separators"),
          post("empty prompt in a list", R"({"prompts":["a",""]})", 400, "prompts[1] is empty"),
          post("empty list", R"({"prompts":[]})", 400, "prompts is empty"),
          post("9 kB prompt", prompt_of(9000), 413, "the limit is 8192"),
          post("100 kB prompt", prompt_of(100'000), 413, "the limit is 8192"),
          post("long prompt in a list", R"({"prompts":[")" + std::string(9000, 'x') + "\"]}", 413, "prompts[0]"),
          post("prompt number", R"({"prompt":5})", 400, "prompt must be a string (got number)"),
          post("prompts string", R"({"prompts":"a"})", 400, "prompts must be a list"),
          post("prompts of numbers", R"({"prompts":["a",3]})", 400, "prompts[1] must be a string"),
          post("unknown field", R"({"prompt":"a","sead":3})", 400, "unknown field sead"),
          post("unknown field beside a bad prompt", R"({"promt":"a"})", 400, "unknown field promt"),
          post("seed string", R"({"prompt":"a","seed":"3"})", 400, "seed must be an integer"),
          post("seed fraction", R"({"prompt":"a","seed":3.5})", 400, "seed must be an integer"),
          post("seed negative", R"({"prompt":"a","seed":-1})", 400, "seed must be an integer from 0"),
          post("seed beyond 63 bits", R"({"prompt":"a","seed":18446744073709551615})", 400, "seed must be"),
          post("seed beyond all", R"({"prompt":"a","seed":1e400})", 400, "too large"),
          post("seed bool", R"({"prompt":"a","seed":true})", 400, "seed must be"),
          post("segments negative", R"({"prompt":"a","segments":-1})", 400, "segments must be"),
          post("frames 0", R"({"prompt":"a","frames":0})", 400, "frames must be"),
          post("lead negative", R"({"prompt":"a","max_lead":-1})", 400, "max_lead must be a number from 0"),
          post("fps 0", R"({"prompt":"a","fps":0})", 400, "fps must be a number from 1"),
          post("fps string", R"({"prompt":"a","fps":"16"})", 400, "fps must be a number"),
          post("size word", R"({"prompt":"a","size":"large"})", 400, "size must be WIDTHxHEIGHT"),
          post("size negative", R"({"prompt":"a","size":"-64x64"})", 400, "size must be"),
          post("size too great for a number", R"({"prompt":"a","size":"99999999999999999999x64"})", 400,
               "size must be"),
          post("size twice", R"({"prompt":"a","size":"64x64","width":64})", 400, "not both"),
          post("width that the model refuses", R"({"prompt":"a","width":65})", 400, "width must be a multiple of 16"),
          post("height beyond the model", R"({"prompt":"a","height":100000})", 400, "height must be"),
          post("steps list", R"({"prompt":"a","denoising_steps":[1000,"x"]})", 400, "denoising_steps[1]"),
          post("guidance", R"({"prompt":"a","guidance_scale":1e9})", 400, "guidance_scale must be"),
          post("another model", R"({"prompt":"a","model":"gpt"})", 404, "there is no model 'gpt'"),
          post("image address", R"({"prompt":"a","image":"http://127.0.0.1/x.png"})", 400, "does not fetch URLs"),
          post("image no base64", R"({"prompt":"a","image":"?*"})", 400, "image is not valid base64"),
          post("image no picture", R"({"prompt":"a","image":"aGVsbG8="})", 415, ""),
          post("image number", R"({"prompt":"a","image":1})", 400, "image must be a string"),
          post("image data address", R"({"prompt":"a","image":"data:image/png,abc"})", 400, "base64"),
      });
  EXPECT_EQ(server.request("GET", sessions).json()["sessions"].size(), 0u) << "no mistake made a session";
}

TEST(BadInput, in_methods_paths_and_ids_is_named) {
  RunningServer server;
  const auto id = server.create();
  expect_mistakes(
      server,
      {
          {"method", "PUT", "/v1/sessions", "{}", 405, "use POST, GET"},
          {"method of a session", "POST", "/v1/sessions/" + id, "{}", 405, "use GET, HEAD, DELETE"},
          {"method of health", "DELETE", "/health", "", 405, "use GET"},
          {"method of the page", "POST", "/index.html", "x", 405, "only GET"},
          {"unknown method", "BREW", "/v1/sessions", "", 405, "BREW"},
          {"unknown path", "GET", "/v1/nothing", "", 404, "/v1/nothing"},
          {"trailing slash", "GET", "/v1/sessions/", "", 404, "nothing at"},
          {"unknown session", "GET", "/v1/sessions/" + kUnknownId, "", 404, "there is no session"},
          {"short id", "GET", "/v1/sessions/abc", "", 400, "32 lower-case hexadecimal"},
          {"id with a path", "GET", "/v1/sessions/..%2f..%2fetc%2fpasswd", "", 400, "32 lower-case"},
          {"stop unknown", "POST", "/v1/sessions/" + kUnknownId + "/stop", "", 404, "there is no session"},
          {"delete unknown", "DELETE", "/v1/sessions/" + kUnknownId, "", 404, "there is no session"},
          {"video of unknown", "GET", "/v1/sessions/" + kUnknownId + "/video.mp4", "", 404, "there is no session"},
          {"from", "GET", "/v1/sessions/" + id + "/video.mp4?from=middle", "", 400, "from must be start or newest"},
          {"query", "GET", "/v1/sessions?x=%zz", "", 400, "hexadecimal"},
          {"WebSocket by plain GET", "GET", "/v1/sessions/" + id + "/events", "", 426, "WebSocket"},
          {"prompt empty", "POST", "/v1/sessions/" + id + "/prompt", R"({"prompt":""})", 400, "empty"},
          {"prompt missing", "POST", "/v1/sessions/" + id + "/prompt", "{}", 400, "prompt is missing"},
          {"prompt unknown field", "POST", "/v1/sessions/" + id + "/prompt", R"({"prompt":"a","when":1})", 400,
           "unknown field when"},
          {"prompt too long", "POST", "/v1/sessions/" + id + "/prompt", prompt_of(9000), 413, "8192"},
          {"prompt far too long", "POST", "/v1/sessions/" + id + "/prompt", prompt_of(100'000), 413, "65536"},
      });
}

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
      {"no host", "GET /v1/sessions HTTP/1.1\r\n\r\n", 403},
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
    if (c.status == 403) continue;  // a request like any other
    if (c.status == 400 && std::string(c.name) == "no path") continue;
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
