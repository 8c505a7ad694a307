// For tests: a server of connections with routes of the test's own, without models and sessions.
#pragma once
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "rushes/server/http/connection.h"

namespace rushes::server {

class RouteServer {
 public:
  explicit RouteServer(Router routes, const ConnectionLimits& limits = {}, const AccessOptions& access = {})
      : routes_(std::move(routes)), service_(limits), acceptor_(context_, {net::ip::make_address("127.0.0.1"), 0}) {
    service_.access = access;
    net::co_spawn(context_, accept(), net::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~RouteServer() {
    context_.stop();
    thread_.join();
  }
  RouteServer(const RouteServer&) = delete;
  RouteServer& operator=(const RouteServer&) = delete;

  uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  net::awaitable<void> accept() {
    for (;;) {
      auto accepting = acceptor_.async_accept(net::use_awaitable);
      net::ip::tcp::socket socket = co_await std::move(accepting);
      net::co_spawn(context_,
                    serve_connection(std::move(socket), service_, routes_, Counted(service_.counters.connections)),
                    net::detached);
    }
  }

  const Router routes_;
  Service service_;
  net::io_context context_{1};
  net::ip::tcp::acceptor acceptor_;
  std::thread thread_;
};

}  // namespace rushes::server
