// One TCP connection: requests in, answers out, as long as both sides keep to the limits; then possibly a WebSocket.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>

#include "rushes/server/http/access.h"
#include "rushes/server/http/counted.h"
#include "rushes/server/http/forwarded.h"
#include "rushes/server/http/options.h"
#include "rushes/server/http/router.h"
#include "rushes/server/http/uploads.h"

namespace rushes::server {

/// What has been counted since the start.
struct Counters {
  std::map<int, int64_t> answers;  // by HTTP status
  int64_t connections = 0;         // open now
  int64_t connections_refused = 0;
  int64_t viewers = 0;                             // WebSockets, open now
  int64_t viewers_dropped = 0;                     // for not reading
  int64_t bytes_sent = 0;                          // bodies and messages
  std::map<std::string, int64_t> viewers_by_kind;  // last part of the route, open now: WebSockets and growing bodies
};

/// What all connections share; lives longer than they. The server's thread only.
struct Service {
  explicit Service(const ConnectionLimits& given = {}) : limits(given), uploads(given.upload_bytes) {}

  AccessOptions access;
  Proxies proxies;
  std::filesystem::path web_root;
  const ConnectionLimits limits;
  Uploads uploads;
  Counters counters;
  bool draining = false;                     // no new sessions
  bool closing = false;                      // no new requests and viewers either
  std::set<boost::beast::tcp_stream*> idle;  // between requests: closed at once when the server ends
};

/// Serves the connection until it ends, by the routes of its listener. Throws nothing.
net::awaitable<void> serve_connection(net::ip::tcp::socket socket, Service& service, const Router& router,
                                      Counted counted);

}  // namespace rushes::server
