// Connections of viewer_load, what they share, and what their viewers have seen.
#pragma once
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <cstdio>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viewer_load {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;
constexpr auto kAwait = net::use_awaitable;

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

/// What the viewers of one kind have seen.
struct Tally {
  int64_t viewers = 0, connected = 0, errors = 0, bytes = 0, messages = 0;
  std::map<std::string, int64_t> reasons;
  std::vector<double> latencies_ms;

  Json json() {
    std::sort(latencies_ms.begin(), latencies_ms.end());
    const auto quantile = [&](double q) {
      return latencies_ms.empty()
                 ? Json()
                 : Json(latencies_ms[static_cast<std::size_t>(q * static_cast<double>(latencies_ms.size() - 1))]);
    };
    return {{"viewers", viewers},
            {"connected", connected},
            {"errors", errors},
            {"reasons", reasons},
            {"bytes", bytes},
            {"messages", messages},
            {"latency_ms",
             {{"count", latencies_ms.size()},
              {"p50", quantile(0.5)},
              {"p95", quantile(0.95)},
              {"p99", quantile(0.99)},
              {"max", quantile(1)}}}};
  }
};

struct Load {
  net::io_context context{1};
  tcp::endpoint server;
  std::string session, token;
  std::map<std::string, Tally> kinds;
  bool over = false;
  std::list<tcp::socket*> open;        // closed at the end, which ends their viewers
  std::map<int64_t, double> block_at;  // when the model gave a block, on our clock
  struct Arrival {
    int64_t block;
    double at;
  };
  std::vector<Arrival> arrivals;
  Clock::time_point start = Clock::now();

  double now() const { return seconds(Clock::now() - start); }
  std::string path(std::string_view rest) const { return "/v1/sessions/" + session + std::string(rest); }
};

/// A connection that reads answers of HTTP/1.1.
class Connection {
 public:
  explicit Connection(Load& load, int receive_buffer = 0)
      : load_(load), socket_(load.context), receive_buffer_(receive_buffer) {
    place_ = load_.open.insert(load_.open.end(), &socket_);
  }
  ~Connection() { load_.open.erase(place_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  net::awaitable<void> connect() {
    socket_.open(load_.server.protocol());
    if (receive_buffer_) socket_.set_option(tcp::socket::receive_buffer_size(receive_buffer_));
    co_await socket_.async_connect(load_.server, kAwait);
    socket_.set_option(tcp::no_delay(true));
  }
  net::awaitable<void> write(std::string text) { co_await net::async_write(socket_, net::buffer(text), kAwait); }
  net::awaitable<void> send_get(std::string path, std::string_view headers = {}) {
    std::string text = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers);
    if (!load_.token.empty()) text += "Authorization: Bearer " + load_.token + "\r\n";
    text += "\r\n";
    co_await write(std::move(text));
  }
  /// Status; `length_` and `chunked_` are those of the answer.
  net::awaitable<int> read_head() {
    std::size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) co_await fill();
    std::string head = buffer_.substr(0, end);
    buffer_.erase(0, end + 4);
    for (char& c : head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    chunked_ = head.find("transfer-encoding: chunked") != std::string::npos;
    const auto at = head.find("content-length: ");
    length_ = at == std::string::npos ? 0 : std::stoull(head.substr(at + 16));
    co_return std::stoi(head.substr(9, 3));
  }
  net::awaitable<std::string> read_body() {
    std::string body;
    if (!chunked_) co_return co_await take(length_);
    for (;;) {
      std::string chunk = co_await read_chunk();
      if (chunk.empty()) co_return body;
      body += chunk;
    }
  }
  /// Empty: the last one.
  net::awaitable<std::string> read_chunk() {
    std::size_t line;
    while ((line = buffer_.find("\r\n")) == std::string::npos) co_await fill();
    const std::size_t size = std::stoull(buffer_.substr(0, line), nullptr, 16);
    buffer_.erase(0, line + 2);
    std::string chunk = co_await take(size);
    co_await take(2);
    co_return chunk;
  }
  net::awaitable<std::string> get(std::string path) {
    co_await send_get(path);
    const int status = co_await read_head();
    std::string body = co_await read_body();
    if (status != 200) throw std::runtime_error("status " + std::to_string(status));
    co_return body;
  }
  net::awaitable<std::string> take(std::size_t size) {
    while (buffer_.size() < size) co_await fill();
    std::string bytes = buffer_.substr(0, size);
    buffer_.erase(0, size);
    co_return bytes;
  }
  tcp::socket& socket() { return socket_; }

 private:
  net::awaitable<void> fill() {
    const std::size_t before = buffer_.size();
    buffer_.resize(before + (16 << 10));
    std::size_t count = 0;
    try {
      count = co_await socket_.async_read_some(net::buffer(buffer_.data() + before, 16 << 10), kAwait);
    } catch (...) {
      buffer_.resize(before);
      throw;
    }
    buffer_.resize(before + count);
  }

  Load& load_;
  tcp::socket socket_;
  std::list<tcp::socket*>::iterator place_;
  int receive_buffer_;
  std::string buffer_;
  std::size_t length_ = 0;
  bool chunked_ = false;
};

/// A WebSocket's messages. Of binary ones only the first bytes are kept.
class Messages {
 public:
  explicit Messages(Connection& connection) : connection_(connection) {}

  net::awaitable<void> open(std::string path) {
    co_await connection_.send_get(std::move(path),
                                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
                                  "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    const int status = co_await connection_.read_head();
    if (status != 101) throw std::runtime_error("status " + std::to_string(status));
  }
  struct Message {
    std::size_t bytes = 0;
    std::string head;  // all of a text
  };
  /// Nothing: the server has closed.
  net::awaitable<std::optional<Message>> next() {
    Message message;
    for (;;) {
      const std::string head = co_await connection_.take(2);
      const int opcode = head[0] & 0x0f;
      const bool last = head[0] & 0x80;
      std::size_t size = static_cast<unsigned char>(head[1]) & 0x7f;
      if (size >= 126) {
        const std::string more = co_await connection_.take(size == 126 ? 2 : 8);
        size = 0;
        for (const unsigned char c : more) size = size << 8 | c;
      }
      const std::string payload = co_await connection_.take(size);
      if (opcode == 8) co_return std::nullopt;
      if (opcode == 9) {
        std::string pong{static_cast<char>(0x8a), static_cast<char>(0x80 | size)};
        pong += std::string(4, '\0') + payload;  // a mask of zeros changes nothing
        co_await connection_.write(std::move(pong));
        continue;
      }
      message.bytes += size;
      if (opcode == 1 || message.head.size() < 24) message.head += payload;
      if (last) co_return message;
    }
  }

 private:
  Connection& connection_;
};

// ---- the kinds of viewers
// ---------------------------------------------------------------------------------------------

/// As a player does: the playlist once a segment's duration (half of it if nothing was new), and each new segment.
/// Latency: of each request.

}  // namespace viewer_load
