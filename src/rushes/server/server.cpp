#include "rushes/server/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <list>

#include "rushes/base/log.h"
#include "rushes/server/api/imtalker/routes.h"
#include "rushes/server/api/native/model_routes.h"
#include "rushes/server/api/native/recording_routes.h"
#include "rushes/server/api/native/routes.h"
#include "rushes/server/api/native/rtmp_routes.h"
#include "rushes/server/api/native/talk_routes.h"
#include "rushes/server/api/native/watch_routes.h"
#include "rushes/server/api/native/webrtc_routes.h"
#include "rushes/server/api/openai/routes.h"
#include "rushes/server/api/realtime/routes.h"
#include "rushes/server/service_routes.h"

namespace rushes::server {
namespace {

using tcp = net::ip::tcp;
using boost::system::error_code;
constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
// Beside the recordings, for videos that end with the process. People have folders called "talk".
constexpr const char* kTalkDirectory = ".rushes-talk";

tcp::endpoint parse_endpoint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "127.0.0.1" : text.substr(0, colon);
  const std::string_view digits =
      colon == std::string::npos ? std::string_view(text) : std::string_view(text).substr(colon + 1);
  uint16_t port = 0;
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool port_ok = wrong == std::errc{} && end == digits.data() + digits.size();
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  error_code error;
  const auto address = net::ip::make_address(host, error);
  require(port_ok && !error, ErrorCode::invalid_argument,
          "--listen '{}' must be ADDRESS:PORT with a numeric address, e.g. 127.0.0.1:8000, 0.0.0.0:8000 or [::1]:8000",
          text);
  return {address, port};
}

std::string url_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return fmt::format("http://{}:{}", endpoint.address().is_v6() ? "[" + address + "]" : address, endpoint.port());
}

}  // namespace

struct Server::State {
  State(ServerOptions given, std::vector<ModelSource> models)
      : options(std::move(given)),
        signals(context),
        sessions(std::make_unique<SessionTable>(std::move(models), options.sessions, options.data_directory)) {
    service.access = options.access;
    service.web_root = options.web_root;
    service.limits = options.connections;
    add_native_routes(service.router, *sessions);
    add_model_routes(service.router, *sessions);
    add_watch_routes(service.router, *sessions);
    add_recording_routes(service.router, *sessions);
    add_rtmp_routes(service.router, *sessions, options.push_hosts);
    add_openai_routes(service.router, *sessions);
    add_realtime_routes(service.router, *sessions);
    if (options.talk_model)
      talks = std::make_unique<TalkTable>(options.talk_model, sessions->models().worker(), options.talks,
                                          options.data_directory / kTalkDirectory);
    add_webrtc_routes(service.router, *sessions, talks.get(), options.webrtc);
    add_talk_routes(service.router, talks.get(), options.talk_examples);
    add_imtalker_routes(service.router, talks.get(),
                        {.mode = options.talk_mode, .examples = options.talk_examples, .webrtc = options.webrtc});
    add_service_routes(service, *sessions, talks.get(), options.version);
  }

  /// Until the server ends.
  net::awaitable<void> sweep_talks() {
    net::steady_timer tick(context);
    while (!service.draining) {
      talks->sweep();
      tick.expires_after(std::chrono::milliseconds(500));
      auto waiting = tick.async_wait(kAsTuple);
      co_await std::move(waiting);
    }
  }

  void listen(const std::string& text) {
    const tcp::endpoint endpoint = parse_endpoint(text);
    require_safe_address(options.access, text, endpoint.address().is_loopback());
    tcp::acceptor& acceptor = acceptors.emplace_back(context);
    error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(net::socket_base::reuse_address(true), error);
    if (!error && endpoint.address().is_v6()) acceptor.set_option(net::ip::v6_only(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(net::socket_base::max_listen_connections, error);
    require(!error, ErrorCode::unavailable, "cannot listen at {}: {}; choose another with --listen", text,
            error.message());
  }

  net::awaitable<void> accept(tcp::acceptor& acceptor) {
    net::steady_timer pause(context);
    while (!service.closing) {
      tcp::socket socket(context);
      auto accepting = acceptor.async_accept(socket, kAsTuple);
      const auto [error] = co_await std::move(accepting);
      if (error == net::error::operation_aborted || error == net::error::bad_descriptor) break;
      if (error) {  // out of file descriptors: those who wait stay in the queue
        pause.expires_after(std::chrono::milliseconds(100));
        auto waiting = pause.async_wait(kAsTuple);
        co_await std::move(waiting);
      } else if (service.counters.connections >= service.limits.connections) {
        ++service.counters.connections_refused;
        refuse_connection(std::move(socket));
      } else {
        net::co_spawn(context, serve_connection(std::move(socket), service), net::detached);
      }
    }
  }

  /// Best effort, without waiting: the answer fits into the send buffer of a new connection.
  static void refuse_connection(tcp::socket socket) {
    static const std::string body =
        std::get<std::string>(error_response(503, "unavailable", "too many connections at the moment").body);
    static const std::string answer = fmt::format(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\nRetry-After: "
        "5\r\nContent-Length: {}\r\n\r\n{}",
        body.size(), body);
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.send(net::buffer(answer), 0, ignored);
    socket.shutdown(tcp::socket::shutdown_both, ignored);
  }

  net::awaitable<void> watch_signals() {
    for (;;) {
      auto waiting = signals.async_wait(kAsTuple);
      const auto [error, number] = co_await std::move(waiting);
      if (error) co_return;
      if (service.draining) std::_Exit(128 + number);
      log::info("stopping: no new sessions, blocks in work are completed; once more to exit at once");
      begin_drain();
    }
  }

  void begin_drain() {
    if (std::exchange(service.draining, true)) return;
    sessions->drain();
    if (talks) talks->drain();
    net::co_spawn(context, drain(), net::detached);
  }

  /// Waits until `done`, or for the time at most.
  template <typename Done>
  net::awaitable<void> wait_until(Done done, std::chrono::milliseconds most) {
    const auto deadline = std::chrono::steady_clock::now() + most;
    net::steady_timer tick(context);
    while (!done() && std::chrono::steady_clock::now() < deadline) {
      tick.expires_after(std::chrono::milliseconds(20));
      auto waiting = tick.async_wait(kAsTuple);
      co_await std::move(waiting);
    }
  }

  net::awaitable<void> drain() {
    const auto none_runs = [this] { return sessions->running() == 0; };
    auto completing = wait_until(none_runs, options.drain);
    co_await std::move(completing);
    if (!none_runs()) log::warning("{} sessions are ended within a block", sessions->running());
    sessions->stop_all();
    service.closing = true;
    error_code ignored;
    for (tcp::acceptor& acceptor : acceptors) acceptor.close(ignored);
    for (auto* stream : service.idle) stream->cancel();
    const auto none_connected = [this] { return service.counters.connections == 0; };
    auto leaving = wait_until(none_connected, options.farewell);
    co_await std::move(leaving);
    if (!none_connected()) log::warning("{} connections are cut off", service.counters.connections);
    context.stop();
  }

  net::awaitable<void> sweep() {
    net::steady_timer tick(context);
    for (;;) {
      tick.expires_after(options.sweep);
      auto waiting = tick.async_wait(kAsTuple);
      co_await std::move(waiting);
      sessions->sweep();
    }
  }

  ServerOptions options;
  net::io_context context{1};
  Service service;
  std::list<tcp::acceptor> acceptors;
  net::signal_set signals;
  std::unique_ptr<SessionTable> sessions;
  std::unique_ptr<TalkTable> talks;  // null: no talking-head model
};

Server::Server(ServerOptions options, std::shared_ptr<const generation::Model> model)
    : Server(std::move(options), std::vector<ModelSource>{{model->card().name, [model] { return model; }}}) {}

Server::Server(ServerOptions options, std::vector<ModelSource> models)
    : state_(std::make_unique<State>(std::move(options), std::move(models))) {
  require(!state_->options.listen.empty(), ErrorCode::invalid_argument, "--listen needs at least one address");
  for (const std::string& address : state_->options.listen) state_->listen(address);
  for (const generation::Request& request : state_->options.start_with) state_->sessions->create(request);
}

// The tables first: they wait for the threads that wake the context's coroutines.
Server::~Server() {
  state_->talks.reset();
  state_->sessions.reset();
}

std::vector<std::string> Server::urls() const {
  std::vector<std::string> urls;
  for (const tcp::acceptor& acceptor : state_->acceptors) urls.push_back(url_of(acceptor.local_endpoint()));
  return urls;
}

std::vector<uint16_t> Server::ports() const {
  std::vector<uint16_t> ports;
  for (const tcp::acceptor& acceptor : state_->acceptors) ports.push_back(acceptor.local_endpoint().port());
  return ports;
}

std::vector<std::string> Server::routes() const {
  std::vector<std::string> routes;
  for (const Route& route : state_->service.router.routes()) routes.push_back(route.method + " " + route.pattern);
  return routes;
}

void Server::run() {
  State& state = *state_;
  if (state.options.handle_signals) {
    state.signals.add(SIGINT);
    state.signals.add(SIGTERM);
    net::co_spawn(state.context, state.watch_signals(), net::detached);
  }
  if (state.talks) net::co_spawn(state.context, state.sweep_talks(), net::detached);
  for (tcp::acceptor& acceptor : state.acceptors) net::co_spawn(state.context, state.accept(acceptor), net::detached);
  net::co_spawn(state.context, state.sweep(), net::detached);
  state.context.run();
  state.sessions->stop_all();
  if (state.talks) state.talks->drain();
}

void Server::stop() {
  net::post(state_->context, [this] { state_->begin_drain(); });
}

}  // namespace rushes::server
