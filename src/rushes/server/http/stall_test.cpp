// Clients that are slow, silent or too much: what is cut off, what is kept alive, and that memory which one request
// cannot get is a matter of that request only.
#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "rushes/server/http/route_test_server.h"
#include "rushes/server/http/websocket.h"
#include "rushes/server/test_client.h"

namespace rushes::server {
namespace {

using namespace std::chrono_literals;

using Piece = std::shared_ptr<const std::vector<uint8_t>>;

Piece piece_of(std::string_view text) { return std::make_shared<const std::vector<uint8_t>>(text.begin(), text.end()); }

net::awaitable<void> wait(std::chrono::milliseconds time) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  net::steady_timer timer(executor, time);
  auto waiting = timer.async_wait(net::use_awaitable);
  co_await std::move(waiting);
}

Response shared_bytes(std::size_t size) {
  Response response;
  response.body = std::make_shared<const std::vector<uint8_t>>(size, uint8_t{7});
  return response;
}

TEST(Stall, of_a_client_that_reads_nothing_ends_its_answer_and_of_a_slow_one_does_not) {
  constexpr std::size_t kSize = 3 << 20;
  Router routes;
  routes.answer("GET", "/large", [](const Request&) { return shared_bytes(kSize); });
  RouteServer server(std::move(routes), {.stall = 400ms, .send_buffer_bytes = 16 << 10});
  TestClient silent(server.port(), 4096), slow(server.port(), 4096);
  const std::string request = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
  silent.write(request);
  slow.write(request);
  EXPECT_EQ(slow.read_head().status, 200);
  // Four times as long as a stall may last, without one.
  const auto begin = std::chrono::steady_clock::now();
  std::size_t received = 0;
  while (received < kSize) {
    const std::string some = slow.read_bytes(std::min<std::size_t>(kSize - received, 64 << 10));
    if (some.empty()) break;
    received += some.size();
    std::this_thread::sleep_for(35ms);
  }
  EXPECT_EQ(received, kSize);
  EXPECT_GT(std::chrono::steady_clock::now() - begin, 4 * 400ms);
  EXPECT_FALSE(silent.read_reply().complete);
  EXPECT_TRUE(silent.closed_by_server());
}

TEST(Stall, of_a_body_ends_its_request_and_a_slow_one_is_read_to_its_end) {
  Router routes;
  routes.answer("POST", "/size", [](const Request& request) {
    return json_response(200, {{"size", request.body.size()}});
  });
  RouteServer server(std::move(routes), {.body = 400ms});
  TestClient slow(server.port()), stalled(server.port());
  const std::string head = "POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000\r\n\r\n";
  slow.write(head);
  stalled.write(head + "x");
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(slow.write(std::string(1000, 'x')));
    std::this_thread::sleep_for(40ms);
  }
  const Reply reply = slow.read_reply();
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json()["size"], 40000);
  EXPECT_TRUE(stalled.closed_by_server());
}

/// Silent until the client has seen so many bytes of keep-alive, then "end".
class SilentBody final : public BodySource {
 public:
  explicit SilentBody(std::string nothing) : nothing_(std::move(nothing)) {}
  net::awaitable<Piece> next() override {
    if (told_++) co_return nullptr;
    while (kept_ < 3) {
      auto waiting = wait(5ms);
      co_await std::move(waiting);
    }
    co_return piece_of("end");
  }
  std::string keep_alive() override {
    ++kept_;
    return nothing_;
  }

 private:
  const std::string nothing_;
  int told_ = 0, kept_ = 0;
};

TEST(Silence, of_a_body_is_filled_with_what_its_format_has_for_that) {
  Router routes;
  for (const auto& [path, text] : {std::pair{"/sse", ": keep-alive\n\n"}, {"/none", ""}}) {
    routes.answer("GET", path, [text = std::string(text)](const Request&) {
      Response response;
      response.body = std::make_unique<SilentBody>(text);
      return response;
    });
  }
  RouteServer server(std::move(routes), {.keep_alive = 10ms});
  const Reply kept = TestClient(server.port()).request("GET", "/sse");
  EXPECT_TRUE(kept.complete);
  EXPECT_TRUE(kept.body.starts_with(": keep-alive\n\n: keep-alive\n\n: keep-alive\n\n"));
  EXPECT_TRUE(kept.body.ends_with("end"));
  EXPECT_EQ(TestClient(server.port()).request("GET", "/none").body, "end");
  TestClient old(server.port());
  old.write("GET /sse HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.read_reply().body.ends_with(": keep-alive\n\nend"));
}

TEST(Silence, of_each_stream_of_a_session_is_filled) {
  RunningServer server([](ServerOptions& options) { options.connections.keep_alive = 20ms; });
  const auto id = server.create();  // the gate is shut
  const std::string path = "/v1/sessions/" + id;
  const auto read = [&](const std::string& target, std::size_t skip, std::string_view expected, int times) {
    TestClient client(server.port());
    client.write("GET " + path + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(client.read_head().status, 200) << target;
    std::string chunk, all;
    for (std::size_t i = 0; i < skip; ++i) client.read_chunk(chunk);
    for (int i = 0; i < times && client.read_chunk(chunk); ++i) all += chunk;
    std::string wanted;
    for (int i = 0; i < times; ++i) wanted += expected;
    EXPECT_EQ(all, wanted) << target;
  };
  read("/video.mp4", 1,
       std::string_view("\0\0\0\x08"
                        "free",
                        8),
       3);
  read("/stream.sse", 3, ": keep-alive\n\n", 3);  // after init and two changes of state
  read("/stream.ndjson", 3, " ", 3);
  {
    TestClient playlist(server.port());
    playlist.write("GET " + path + "/hls/video.m3u8 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(playlist.read_head().status, 200);
    std::string chunk;
    playlist.read_chunk(chunk);
    EXPECT_EQ(chunk, "#EXTM3U\n");
    playlist.read_chunk(chunk);
    EXPECT_EQ(chunk, "\n");
    server.gate().open();
    std::string rest;
    while (playlist.read_chunk(chunk)) rest += chunk;
    EXPECT_EQ(rest.find("#EXTM3U"), std::string::npos);
    EXPECT_NE(rest.find("#EXT-X-TARGETDURATION"), std::string::npos);
  }
  EXPECT_EQ(server.events(id).back()["state"], "finished");
}

/// What a test binary does with its WebSockets: waits, and sends back what it gets.
net::awaitable<void> idle_feed(WebSocket&) { return wait(60s); }

TEST(Silence, of_a_websocket_is_filled_with_pings_and_who_does_not_answer_them_is_left) {
  Router routes;
  routes.feed("/idle", [](const Request&) -> Feed { return idle_feed; });
  RouteServer server(std::move(routes), {.idle = 400ms, .keep_alive = 30ms});
  TestClient answering(server.port()), deaf(server.port());
  ASSERT_EQ(answering.upgrade("/idle").status, 101);
  ASSERT_EQ(deaf.upgrade("/idle").status, 101);
  for (int i = 0; i < 20; ++i) {  // longer than the idle time
    EXPECT_EQ(answering.read_frame().opcode, 9);
    answering.write_frame(10, "");
  }
  EXPECT_TRUE(deaf.closed_by_server());
}

TEST(WebSocketMessage, beyond_the_limit_is_refused_with_the_reason) {
  Router routes;
  routes.feed("/idle", [](const Request&) -> Feed { return idle_feed; });
  RouteServer server(std::move(routes), {.message_bytes = 100});
  TestClient client(server.port());
  ASSERT_EQ(client.upgrade("/idle").status, 101);
  client.write_frame(2, std::string(100, 'x'));
  client.write_frame(2, std::string(101, 'x'));
  const Frame close = client.read_message();
  EXPECT_EQ(close.opcode, 8);
  EXPECT_EQ(close.close_code(), 1009);
  EXPECT_NE(close.payload.find("more than the 100 bytes"), std::string::npos);
}

class StarvingBody final : public BodySource {
 public:
  net::awaitable<Piece> next() override {
    if (told_++) throw std::bad_alloc();
    co_return piece_of("begin");
  }

 private:
  int told_ = 0;
};

TEST(OutOfMemory, in_one_request_ends_that_request_only) {
  Router routes;
  routes.answer("GET", "/now", [](const Request&) -> Response { throw std::bad_alloc(); });
  routes.answer_later("GET", "/later", [](const Request&) -> net::awaitable<Response> {
    auto waiting = wait(1ms);
    co_await std::move(waiting);
    throw std::bad_alloc();
  });
  routes.answer("GET", "/body", [](const Request&) {
    Response response;
    response.body = std::make_unique<StarvingBody>();
    return response;
  });
  routes.feed("/feed", [](const Request&) -> Feed { throw std::bad_alloc(); });
  routes.feed("/feeding", [](const Request&) -> Feed {
    return [](WebSocket&) -> net::awaitable<void> {
      auto waiting = wait(1ms);
      co_await std::move(waiting);
      throw std::bad_alloc();
    };
  });
  routes.feed("/hearing", [](const Request&) -> Feed {
    return [](WebSocket& socket) {
      socket.on_text([](const std::string&) { throw std::bad_alloc(); });
      return idle_feed(socket);
    };
  });
  routes.answer("GET", "/health", [](const Request&) { return json_response(200, {}); });
  RouteServer server(std::move(routes));
  for (const char* path : {"/now", "/later"}) {
    TestClient client(server.port());
    const Reply reply = client.request("GET", path);
    EXPECT_EQ(reply.status, 429) << path;
    EXPECT_EQ(reply.json()["error"]["code"], "exhausted") << path;
    EXPECT_EQ(client.request("GET", "/health").status, 200) << path;  // the connection goes on
  }
  const Reply cut = TestClient(server.port()).request("GET", "/body");
  EXPECT_EQ(cut.body, "begin");
  EXPECT_FALSE(cut.complete);
  EXPECT_EQ(TestClient(server.port()).upgrade("/feed").status, 429);
  TestClient feeding(server.port()), hearing(server.port());
  ASSERT_EQ(feeding.upgrade("/feeding").status, 101);
  EXPECT_EQ(feeding.read_message().close_code(), 1011);
  ASSERT_EQ(hearing.upgrade("/hearing").status, 101);
  hearing.write_frame(1, "hello");
  EXPECT_EQ(hearing.read_message().close_code(), 1011);
  EXPECT_EQ(TestClient(server.port()).request("GET", "/health").status, 200);
}

}  // namespace
}  // namespace rushes::server
