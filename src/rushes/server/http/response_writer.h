// A response on its way: text and shared bytes from where they lie, files piece by piece, bodies that come into being
// while they are sent.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <string>

#include "rushes/server/http/connection.h"
#include "rushes/server/http/http.h"

namespace rushes::server {

/// What a response needs to know of its request.
struct Exchange {
  Request request;
  std::string kind;                   // of viewer that the request makes of its client
  std::size_t max_message_bytes = 0;  // that come from it
  unsigned version = 11;              // of HTTP
  bool keep_alive = true;             // false after the response: the connection ends with it
};

/// False: the client has left, or does not read.
net::awaitable<bool> send_response(boost::beast::tcp_stream& stream, Service& service, Exchange& exchange,
                                   Response response);

/// Returns when the client has left while it waits for a response. Cancel it else.
net::awaitable<void> client_gone(boost::beast::tcp_stream& stream);

}  // namespace rushes::server
