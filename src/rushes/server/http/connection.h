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
#include "rushes/server/http/router.h"
#include "rushes/server/http/uploads.h"

namespace rushes::server {

struct ConnectionLimits {
  std::size_t header_bytes = 16 << 10;
  int64_t upload_bytes = int64_t{512} << 20;          // bodies of all requests together; more are answered 503
  int64_t connections = 1024;                         // more are answered 503 and closed
  std::chrono::milliseconds idle{60'000};             // between requests
  std::chrono::milliseconds header{10'000};           // from a request's first byte to the end of its header
  std::chrono::milliseconds body{30'000};             // without progress while it comes
  std::chrono::milliseconds stall{20'000};            // without progress while sending an answer or to a WebSocket
  std::chrono::milliseconds download_stall{600'000};  // the same of a video: a player that is paused reads nothing
  std::chrono::milliseconds keep_alive{15'000};       // of silence in an open answer, until something is sent
  std::chrono::milliseconds closing{5'000};           // for the other side's part in a WebSocket's handshake and close
  std::size_t message_bytes = 1 << 20;                // that come in one message of a WebSocket
  int send_buffer_bytes = 256 << 10;  // of the kernel's, for each connection: all that waits for a slow viewer
};

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
