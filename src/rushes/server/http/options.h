// How a server is reached, and how much it takes from whoever reaches it. No Asio here: all that start a server see
// this.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rushes::server {

/// Who may call.
struct AccessOptions {
  std::vector<std::string> tokens;         // one of them is required of all API calls, if there is any
  bool no_auth = false;                    // serve other addresses than loopback without a token
  std::vector<std::string> allow_origins;  // pages of other origins that may call, "https://example.org"; "*": any
};

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

/// Where clients see this server when a proxy stands in front of it.
struct ProxyOptions {
  std::string base_path;  // "/rushes"; with it, both /rushes/v1/... and /v1/... are served
  /// Addresses and networks whose X-Forwarded-Prefix, -Host, -Port and -Proto count, "none" for none. Who is on this
  /// machine may say so by default: a foreign web page, which could be, cannot send these headers unasked.
  std::vector<std::string> trusted{"127.0.0.0/8", "::1"};
};

/// Of the WorkPool.
struct WorkLimits {
  /// 0: as many as there are cores, at least two, so that a model that is being loaded leaves one to the rest.
  std::size_t threads = 0;
  std::size_t waiting = 256;  // pieces that no thread has begun; more are refused
};

}  // namespace rushes::server
