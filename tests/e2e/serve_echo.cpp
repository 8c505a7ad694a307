// Sends back what comes over its WebSocket, so that a test suite of the protocol can look at ours.
#include <unistd.h>
#include <boost/asio/this_coro.hpp>
#include <cstdio>
#include <deque>

#include "rushes/server/http/route_test_server.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server {
namespace {

struct Waiting {
  bool is_text = false;
  std::string bytes;
};

net::awaitable<void> echo(WebSocket& client) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto wakeup = std::make_shared<Wakeup>(executor);
  const auto messages = std::make_shared<std::deque<Waiting>>();
  const auto taker = [&](bool is_text) {
    return [=](std::string bytes) {
      messages->push_back({is_text, std::move(bytes)});
      wakeup->notifier()();
    };
  };
  client.on_text(taker(true));
  client.on_binary(taker(false));
  for (;;) {
    for (; !messages->empty(); messages->pop_front()) {
      Waiting& message = messages->front();
      auto sending = message.is_text ? client.send_text(std::move(message.bytes))
                                     : client.send_binary(std::make_shared<const std::vector<uint8_t>>(
                                           message.bytes.begin(), message.bytes.end()));
      co_await std::move(sending);
    }
    auto waiting = wakeup->wait();
    co_await std::move(waiting);
  }
}

}  // namespace
}  // namespace rushes::server

int main() {
  using namespace rushes::server;
  Router routes;
  // The suite chooses its cases by the query.
  for (const char* path : {"/", "/runCase", "/getCaseCount", "/updateReports"})
    routes.feed(path, [](const Request&) -> Feed { return echo; });
  const RouteServer server(std::move(routes), {.message_bytes = 64 << 20});
  std::printf("rushes serves at http://127.0.0.1:%d\n", server.port());
  std::fflush(stdout);
  char ignored;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) {}
}
