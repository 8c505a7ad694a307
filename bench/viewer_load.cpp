// Load test: many viewers of one session at the same time, on one thread, and what they saw: errors, bytes, latencies.
// bench/load_bench.py starts the server and puts the figures together; by itself:
//   viewer_load --port 8000 --session ID --hls 1000 --websocket 200 --seconds 20
// Prints JSON. Latency of `websocket`: from the time at which the model gave a block (the session's own clock, mapped
// to ours by its age) to the last byte of its fragment; of `hls` and `mp4`: see below.
#include <sys/resource.h>
#include <CLI/CLI.hpp>
#include "viewer_load_connection.h"

namespace {

using namespace viewer_load;

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
  CLI::App app("Load test: many viewers of one session at the same time");
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
  app.add_option("--stalled", stalled, "number of WebSockets that never read");
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
