// The server's side of a viewer's WebSocket: handshake, the feed, and reading what the viewer sends (nothing but
// control frames matters).
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/message.hpp>

#include "rushes/server/http/connection.h"

namespace rushes::server {

struct ViewerKind {
  std::string name;  // for the counters
  std::size_t max_message_bytes;
};

/// Answers the upgrade and runs `feed` until it ends or the viewer leaves. Throws nothing.
net::awaitable<void> run_viewer_socket(boost::beast::tcp_stream stream,
                                       boost::beast::http::request<boost::beast::http::buffer_body> request, Feed feed,
                                       ViewerKind kind, Service& service);

}  // namespace rushes::server
