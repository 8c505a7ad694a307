// Many viewers of one session at once, on one thread, and what they saw: errors, bytes, latencies. bench/load_bench.py
// starts the server and puts the figures together; by itself:
//   viewer_load --port 8000 --session ID --hls 1000 --websocket 200 --seconds 20
// Prints JSON. Latency of `websocket`: from the time at which the model gave a block (the session's own clock, mapped
// to ours by its age) to the last byte of its fragment; of `hls` and `mp4`: see below.
#include <sys/resource.h>
#include <CLI/CLI.hpp>
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

namespace {

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
net::awaitable<void> watch_hls(Load& load, Tally& tally, double delay) {
  net::steady_timer timer(load.context);
  timer.expires_after(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(delay)));
  co_await timer.async_wait(kAwait);
  Connection connection(load);
  co_await connection.connect();
  ++tally.connected;
  std::string newest;
  const auto timed_get = [&](std::string path) -> net::awaitable<std::string> {
    const double begin = load.now();
    std::string body = co_await connection.get(std::move(path));
    tally.latencies_ms.push_back(1000 * (load.now() - begin));
    tally.bytes += static_cast<int64_t>(body.size());
    co_return body;
  };
  co_await timed_get(load.path("/hls/init.mp4"));
  while (!load.over) {
    const double asked = load.now();
    const std::string playlist = co_await timed_get(load.path("/hls/video.m3u8"));
    std::vector<std::string> segments;
    double duration = 1;
    for (std::size_t at = 0; at < playlist.size();) {
      const std::size_t end = std::min(playlist.find('\n', at), playlist.size());
      const std::string_view line(playlist.data() + at, end - at);
      if (line.starts_with("#EXTINF:"))
        duration = std::strtod(line.data() + 8, nullptr);
      else if (!line.empty() && line[0] != '#')
        segments.emplace_back(line);
      at = end + 1;
    }
    const bool is_over = playlist.find("#EXT-X-ENDLIST") != std::string::npos;
    if (segments.empty() && is_over) co_return;  // stopped before its first block
    if (segments.empty()) throw std::runtime_error("a playlist without segments");
    const auto known = std::find(segments.begin(), segments.end(), newest);
    const auto first = newest.empty() ? segments.end() - 1 : known == segments.end() ? segments.begin() : known + 1;
    for (auto segment = first; segment != segments.end() && !load.over; ++segment) {
      co_await timed_get(load.path("/hls/" + *segment));
      ++tally.messages;
    }
    const bool is_new = first != segments.end();
    newest = segments.back();
    if (is_over) co_return;
    timer.expires_after(std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(std::max(0.0, asked + (is_new ? duration : duration / 2) - load.now()))));
    co_await timer.async_wait(kAwait);
  }
}

/// Fragments as binary messages.
net::awaitable<void> watch_socket(Load& load, Tally& tally) {
  Connection connection(load);
  co_await connection.connect();
  Messages messages(connection);
  co_await messages.open(load.path("/video?from=newest"));
  ++tally.connected;
  while (const auto message = co_await messages.next()) {
    tally.bytes += static_cast<int64_t>(message->bytes);
    ++tally.messages;
    const std::string& head = message->head;
    if (head.size() < 24 || head.compare(4, 4, "moof") != 0) continue;
    int64_t number = 0;  // mfhd, the first box within: counted from 1
    for (int i = 20; i < 24; ++i) number = number << 8 | static_cast<unsigned char>(head[static_cast<std::size_t>(i)]);
    load.arrivals.push_back({number - 1, load.now()});
  }
}

/// An answer without end, in chunks: SSE, NDJSON, MP4.
net::awaitable<void> watch_body(Load& load, Tally& tally, std::string path) {
  Connection connection(load);
  co_await connection.connect();
  co_await connection.send_get(std::move(path));
  const int status = co_await connection.read_head();
  if (status != 200) throw std::runtime_error("status " + std::to_string(status));
  ++tally.connected;
  for (;;) {
    const std::string chunk = co_await connection.read_chunk();
    if (chunk.empty()) co_return;
    tally.bytes += static_cast<int64_t>(chunk.size());
    ++tally.messages;
  }
}

/// Connects, asks for the video and never reads.
net::awaitable<void> watch_nothing(Load& load, Tally& tally) {
  Connection connection(load, 4096);
  co_await connection.connect();
  Messages messages(connection);
  co_await messages.open(load.path("/video"));
  ++tally.connected;
  net::steady_timer timer(load.context);
  timer.expires_after(std::chrono::hours(1));
  co_await timer.async_wait(kAwait);
}

/// When the model gave each block: the reference of the latencies.
net::awaitable<void> follow_events(Load& load) {
  Connection connection(load);
  co_await connection.connect();
  // Our clock at the session's creation, from the answer that took the shortest time.
  double created = 0, shortest = 1e9;
  for (int i = 0; i < 20; ++i) {
    const double begin = load.now();
    const Json status = Json::parse(co_await connection.get(load.path("")));
    const double end = load.now();
    if (end - begin >= shortest) continue;
    shortest = end - begin;
    created = (begin + end) / 2 - status["times_s"]["age"].get<double>();
  }
  Connection second(load);
  co_await second.connect();
  Messages messages(second);
  co_await messages.open(load.path("/events"));
  int64_t blocks = -1;
  while (const auto message = co_await messages.next()) {
    const Json event = Json::parse(message->head);
    if (event["type"] != "frame_block") continue;
    // Old events may be gone; the first one that is there tells how many came before.
    if (blocks < 0)
      blocks = event["first_video_frame"] == 0 ? 0 : 1 + (event["first_video_frame"].get<int64_t>() - 9) / 12;
    load.block_at[blocks++] = created + event["at_s"].get<double>();
  }
}

template <typename Watch>
void spawn(Load& load, const std::string& kind, int64_t count, Watch watch) {
  Tally& tally = load.kinds[kind];
  tally.viewers = count;
  for (int64_t i = 0; i < count; ++i)
    net::co_spawn(load.context, watch(i, tally), [&load, &tally](std::exception_ptr failure) {
      if (!failure || load.over) return;
      ++tally.errors;
      try {
        std::rethrow_exception(failure);
      } catch (const std::exception& error) {
        ++tally.reasons[error.what()];
      }
    });
}

void allow_many_sockets() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Many viewers of one session at once");
  Load load;
  uint16_t port = 8000;
  double duration = 20;
  int64_t hls = 0, websocket = 0, sse = 0, ndjson = 0, mp4 = 0, stalled = 0;
  app.add_option("--port", port);
  app.add_option("--session", load.session)->required();
  app.add_option("--token", load.token);
  app.add_option("--seconds", duration);
  app.add_option("--hls", hls);
  app.add_option("--websocket", websocket);
  app.add_option("--sse", sse);
  app.add_option("--ndjson", ndjson);
  app.add_option("--mp4", mp4);
  app.add_option("--stalled", stalled, "WebSockets that never read");
  CLI11_PARSE(app, argc, argv);
  allow_many_sockets();
  load.server = tcp::endpoint(net::ip::make_address("127.0.0.1"), port);
  if (websocket) net::co_spawn(load.context, follow_events(load), net::detached);
  if (hls)
    spawn(load, "hls", hls, [&](int64_t i, Tally& tally) {
      return watch_hls(load, tally, 2.0 * static_cast<double>(i) / static_cast<double>(hls));
    });
  if (websocket) spawn(load, "websocket", websocket, [&](int64_t, Tally& tally) { return watch_socket(load, tally); });
  if (sse)
    spawn(load, "sse", sse,
          [&](int64_t, Tally& tally) { return watch_body(load, tally, load.path("/stream.sse?from=newest")); });
  if (ndjson)
    spawn(load, "ndjson", ndjson,
          [&](int64_t, Tally& tally) { return watch_body(load, tally, load.path("/stream.ndjson?from=newest")); });
  if (mp4)
    spawn(load, "mp4", mp4,
          [&](int64_t, Tally& tally) { return watch_body(load, tally, load.path("/video.mp4?from=newest")); });
  if (stalled) spawn(load, "stalled", stalled, [&](int64_t, Tally& tally) { return watch_nothing(load, tally); });
  net::steady_timer end(load.context);
  end.expires_after(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(duration)));
  end.async_wait([&](boost::system::error_code) {
    load.over = true;
    load.context.stop();
  });
  load.context.run();
  Tally& sockets = load.kinds["websocket"];
  constexpr double kSettle = 2;  // the first blocks came before everybody was connected
  for (const Load::Arrival& arrival : load.arrivals)
    if (const auto block = load.block_at.find(arrival.block); block != load.block_at.end() && arrival.at > kSettle)
      sockets.latencies_ms.push_back(1000 * (arrival.at - block->second));
  Json report{{"seconds", load.now()}, {"processor_seconds", processor_seconds()}};
  for (auto& [kind, tally] : load.kinds)
    if (tally.viewers) report[kind] = tally.json();
  std::printf("%s\n", report.dump(1).c_str());
  std::fflush(stdout);
  std::_Exit(0);  // sockets and coroutines need no ceremony
}
