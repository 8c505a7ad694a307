// Limits of Engine.IO and Socket.IO. No Asio here: all that start a server see this.
#pragma once
#include <chrono>
#include <cstddef>

namespace rushes::server::socket_io {

struct Options {
  std::chrono::milliseconds ping_interval{25'000}, ping_timeout{60'000};  // who does not answer that long has left
  std::chrono::milliseconds upgrade{10'000};                              // from a WebSocket's opening to its use
  std::size_t max_payload_bytes = 100 << 20;                              // of a body or message from a client
  std::size_t queue_bytes = 4 << 20;  // that wait for a client, then whoever makes events for it waits too
  std::size_t clients = 1024;         // more are refused
};

}  // namespace rushes::server::socket_io
