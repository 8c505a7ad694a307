// Socket.IO over sockets, with an app that echoes: polling, WebSocket, the change between them, and clients that are
// late, rude or gone.
#include "rushes/server/socket_io/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <semaphore>

#include "rushes/server/http/route_test_server.h"
#include "rushes/server/test_client.h"

namespace rushes::server::socket_io {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Says hello to who connects, and "echo" what it hears of "say"; "flood" makes as many events as there is room for.
class Echo {
 public:
  App app() {
    return {.connected =
                [](const ClientPtr& client) {
                  client->emit("hello", {{"you", client->id()}});
                },
            .event =
                [this](const ClientPtr& client, const std::string& event, Json argument) {
                  if (event == "say") client->emit("echo", argument);
                  if (event == "size") client->emit("size", argument.get_ref<const std::string&>().size());
                  if (event == "flood") {
                    while (client->has_room()) {
                      client->emit("drop", std::string(1000, 'x'));
                      ++emitted;
                    }
                  }
                  return event != "unknown";
                },
            .gone = [this](const ClientPtr&) { left.release(); }};
  }
  bool wait_until_one_has_left() { return left.try_acquire_for(std::chrono::seconds(20)); }

  std::counting_semaphore<> left{0};
  std::atomic<int> emitted = 0;
};

class SocketIo : public testing::Test {
 protected:
  void serve(const Options& options = {}, ConnectionLimits limits = {}) {
    const auto endpoint = std::make_shared<Endpoint>(options, echo_.app(), work_, access_);
    Router routes;
    endpoint->add_routes(routes, "/socket.io");
    server_ = std::make_unique<RouteServer>(std::move(routes), limits, access_);
  }
  ~SocketIo() override {
    work_.close();
    server_.reset();
  }
  uint16_t port() const { return server_->port(); }
  static std::string target(const std::string& sid = {}, const std::string& transport = "polling") {
    return "/socket.io/?EIO=4&transport=" + transport + (sid.empty() ? "" : "&sid=" + sid);
  }
  Reply get(const std::string& sid) const { return TestClient(port()).request("GET", target(sid)); }
  Reply post(const std::string& sid, const std::string& body) const {
    return TestClient(port()).request("POST", target(sid), body);
  }
  /// Its sid.
  std::string open() const {
    const Reply reply = get("");
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_THAT(reply.body, StartsWith("0{"));
    return nlohmann::json::parse(reply.body.substr(1))["sid"];
  }
  /// One that polls and is connected to the default namespace.
  std::string connect() const {
    std::string sid = open();
    EXPECT_EQ(post(sid, "40").body, "OK");
    EXPECT_THAT(get(sid).body, StartsWith("40{\"sid\":\""));
    return sid;
  }

  Echo echo_;
  WorkPool work_;
  AccessOptions access_;
  std::unique_ptr<RouteServer> server_;
};

TEST_F(SocketIo, tells_a_new_client_its_name_and_the_times_of_the_server) {
  serve();
  const Reply reply = get("");
  EXPECT_EQ(reply.headers.at("content-type"), "text/plain; charset=UTF-8");
  nlohmann::json fields = nlohmann::json::parse(reply.body.substr(1));
  EXPECT_EQ(fields["sid"].get<std::string>().size(), 20u);
  fields.erase("sid");
  EXPECT_EQ(fields.dump(),
            R"({"maxPayload":104857600,"pingInterval":25000,"pingTimeout":60000,"upgrades":["websocket"]})");
  EXPECT_EQ(TestClient(port()).request("GET", "/socket.io?EIO=4&transport=polling").status, 200);
}

TEST_F(SocketIo, carries_events_and_acknowledgements_by_polling) {
  serve();
  const std::string sid = open();
  const Reply posted = post(sid, "40");
  EXPECT_EQ(posted.body, "OK");
  EXPECT_EQ(posted.headers.at("content-type"), "text/plain");
  EXPECT_THAT(get(sid).body, testing::MatchesRegex("40\\{\"sid\":\"[0-9a-f]{20}\"\\}\x1e"
                                                   "42\\[\"hello\",\\{\"you\":\"[0-9a-f]{20}\"\\}\\]"));
  EXPECT_EQ(post(sid,
                 "42[\"say\",\"caf\xc3\xa9\"]\x1e"
                 "427[\"say\",{\"a\":[1]}]\x1e"
                 "428[\"unknown\"]")
                .body,
            "OK");
  EXPECT_EQ(get(sid).body,
            "42[\"echo\",\"caf\\u00e9\"]\x1e"
            "42[\"echo\",{\"a\":[1]}]\x1e"
            "437[]");
}

TEST_F(SocketIo, answers_a_poll_when_there_is_something_to_fetch) {
  serve();
  const std::string sid = connect();
  TestClient poll(port());
  poll.write("GET " + target(sid) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_FALSE(poll.readable(std::chrono::milliseconds(50)));
  post(sid, "42[\"say\",1]");
  EXPECT_EQ(poll.read_reply().body, "42[\"echo\",1]");
}

TEST_F(SocketIo, refuses_who_is_no_client_with_what_is_wrong) {
  serve();
  const std::string sid = open();
  const struct {
    const char* method;
    std::string target, body, words;
  } kRequests[] = {
      {"GET", target("nobody"), "", R"("Invalid session nobody")"},
      {"POST", target("nobody"), "40", R"("Invalid session nobody")"},
      {"POST", target(), "40", R"("Invalid session None")"},
      {"GET", "/socket.io/?EIO=3&transport=polling", "", "unsupported version"},
      {"GET", "/socket.io/?EIO=4", "", R"("Invalid transport")"},
      {"GET", "/socket.io/?EIO=4&transport=carrier-pigeon", "", R"("Invalid transport")"},
      {"POST", target(sid), "", "is empty"},
  };
  for (const auto& [method, target, body, words] : kRequests) {
    SCOPED_TRACE(target);
    const Reply reply = TestClient(port()).request(method, target, body);
    EXPECT_EQ(reply.status, 400);
    EXPECT_THAT(reply.body, HasSubstr(words));
    EXPECT_TRUE(reply.json().is_string());
  }
  EXPECT_EQ(get(sid).status, 400);  // what it sent was no packet
}

TEST_F(SocketIo, closes_a_client_that_polls_twice_at_once_or_sends_what_is_no_packet) {
  serve();
  {
    const std::string sid = connect();
    TestClient first(port());
    first.write("GET " + target(sid) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_FALSE(first.readable(std::chrono::milliseconds(50)));
    EXPECT_EQ(get(sid).status, 400);
    EXPECT_EQ(first.read_reply().body, "1");
    EXPECT_TRUE(echo_.wait_until_one_has_left());
    EXPECT_EQ(get(sid).status, 400);
  }
  for (const char* packets : {"9", "42{}", "bAQID", "451-[\"a\",{}]"}) {
    SCOPED_TRACE(packets);
    const std::string sid = connect();
    EXPECT_EQ(post(sid, packets).status, 400);
    EXPECT_TRUE(echo_.wait_until_one_has_left());
    EXPECT_EQ(get(sid).status, 400);
  }
  const std::string early = open();
  EXPECT_EQ(post(early, "42[\"say\",1]").status, 400);
}

TEST_F(SocketIo, lets_a_client_leave_its_namespace_or_the_server) {
  serve();
  const std::string sid = connect();
  EXPECT_EQ(post(sid, "41").body, "OK");
  EXPECT_TRUE(echo_.wait_until_one_has_left());
  EXPECT_EQ(post(sid, "40").body, "OK");
  EXPECT_EQ(post(sid, "1").body, "OK");
  EXPECT_TRUE(echo_.wait_until_one_has_left());
  EXPECT_EQ(post(sid, "40").status, 400);
  const std::string other = open();
  post(other, "40/admin,");
  EXPECT_EQ(get(other).body, "44/admin,{\"message\":\"Invalid namespace\"}");
}

TEST_F(SocketIo, pings_and_closes_who_does_not_answer) {
  // Long enough for this client to answer on a busy machine.
  serve({.ping_interval = std::chrono::milliseconds(300), .ping_timeout = std::chrono::seconds(2)});
  const std::string sid = connect();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(get(sid).body, "2");
    EXPECT_EQ(post(sid, "3").body, "OK");
  }
  EXPECT_EQ(get(sid).body, "2");
  EXPECT_EQ(get(sid).body, "1");
  EXPECT_TRUE(echo_.wait_until_one_has_left());
  EXPECT_EQ(post(sid, "3").status, 400);
  const std::string silent = open();  // never connects
  EXPECT_EQ(get(silent).body, "1");
}

TEST_F(SocketIo, has_so_many_clients_and_no_more) {
  serve({.clients = 2});
  const std::string sid = open();
  open();
  EXPECT_EQ(get("").status, 503);
  post(sid, "1");
  EXPECT_EQ(get("").status, 200);
}

TEST_F(SocketIo, says_when_enough_waits_for_a_client_which_fetches_it_in_pieces) {
  serve({.queue_bytes = 50'000});
  const std::string sid = connect();
  post(sid, "42[\"flood\"]");
  EXPECT_EQ(echo_.emitted, 50);
  for (const std::ptrdiff_t packets : {16, 16, 16, 2}) {
    const std::string body = get(sid).body;
    EXPECT_EQ(std::count(body.begin(), body.end(), kSeparator), packets - 1);
  }
  post(sid, "42[\"flood\"]");
  EXPECT_EQ(echo_.emitted, 100);
}

TEST_F(SocketIo, closes_a_client_that_asks_for_more_than_it_fetches) {
  serve({.queue_bytes = 10 << 20});
  const std::string sid = connect();
  std::string body = "42[\"say\",1]";
  for (std::size_t i = 1; i < kMostPackets; ++i)
    body +=
        "\x1e"
        "42[\"say\",1]";
  EXPECT_EQ(post(sid, body).status, 200);
  post(sid, "42[\"say\",1]");
  EXPECT_TRUE(echo_.wait_until_one_has_left());
}

TEST_F(SocketIo, takes_large_events_up_to_its_limit_by_either_way) {
  serve({.max_payload_bytes = 8 << 20}, {.upload_bytes = 16 << 20});
  const std::string sid = connect();
  const auto event = [](std::size_t bytes) { return "42[\"size\",\"" + std::string(bytes, 'A') + "\"]"; };
  EXPECT_EQ(post(sid, event(7'000'000)).body, "OK");
  EXPECT_EQ(get(sid).body, "42[\"size\",7000000]");
  EXPECT_EQ(post(sid, event(9'000'000)).status, 413);
  post(sid, "42[\"say\",1]");
  EXPECT_EQ(get(sid).body, "42[\"echo\",1]");  // it is still there
}

TEST_F(SocketIo, carries_events_by_a_websocket_alone) {
  serve();
  TestClient socket(port());
  ASSERT_EQ(socket.upgrade(target({}, "websocket")).status, 101);
  EXPECT_THAT(socket.read_message().payload, HasSubstr("\"upgrades\":[]"));
  socket.write_frame(1, "40");
  EXPECT_THAT(socket.read_message().payload, StartsWith("40{\"sid\":"));
  EXPECT_THAT(socket.read_message().payload, StartsWith("42[\"hello\","));
  socket.write_frame(1, "421[\"say\",{\"a\":1}]");
  EXPECT_EQ(socket.read_message().payload, "42[\"echo\",{\"a\":1}]");
  EXPECT_EQ(socket.read_message().payload, "431[]");
  socket.write_frame(2, "bytes");
  EXPECT_EQ(socket.read_message().payload, "1");
  EXPECT_EQ(socket.read_message().opcode, 8);
  EXPECT_TRUE(echo_.wait_until_one_has_left());
}

TEST_F(SocketIo, changes_from_polling_to_a_websocket_and_loses_nothing) {
  serve();
  const std::string sid = connect();
  TestClient poll(port()), socket(port());
  poll.write("GET " + target(sid) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_EQ(socket.upgrade(target(sid, "websocket")).status, 101);
  socket.write_frame(1, "2probe");
  EXPECT_EQ(socket.read_message().payload, "3probe");
  EXPECT_EQ(poll.read_reply().body, "6");
  EXPECT_EQ(post(sid, "42[\"say\",1]").body, "OK");
  EXPECT_EQ(get(sid).body, "6");  // it goes out by the other way
  socket.write_frame(1, "5");
  EXPECT_EQ(socket.read_message().payload, "42[\"echo\",1]");
  EXPECT_EQ(get(sid).status, 400);
  socket.write_frame(1, "42[\"say\",2]");
  EXPECT_EQ(socket.read_message().payload, "42[\"echo\",2]");
  socket.close();
  EXPECT_TRUE(echo_.wait_until_one_has_left());
}

TEST_F(SocketIo, goes_on_polling_when_the_websocket_comes_to_nothing) {
  serve({.upgrade = std::chrono::milliseconds(50)});
  const std::string sid = connect();
  {
    TestClient socket(port());
    ASSERT_EQ(socket.upgrade(target(sid, "websocket")).status, 101);
    socket.write_frame(1, "2probe");
    EXPECT_EQ(socket.read_message().payload, "3probe");
    EXPECT_EQ(socket.read_message().opcode, 8);  // it says no more, for too long
  }
  EXPECT_EQ(post(sid, "42[\"say\",1]").body, "OK");
  EXPECT_EQ(get(sid).body, "42[\"echo\",1]");
  for (const std::string& wrong : {target("nobody", "websocket"), std::string("/socket.io/?EIO=3&transport=websocket")})
    EXPECT_EQ(TestClient(port()).upgrade(wrong).status, 400);
}

}  // namespace
}  // namespace rushes::server::socket_io
