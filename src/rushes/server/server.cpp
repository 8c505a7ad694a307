#include "rushes/server/server.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdlib>
#include <list>

#include "rushes/base/count_of.h"
#include "rushes/base/log.h"
#include "rushes/generation/failure.h"
#include "rushes/server/api/apis.h"
#include "rushes/server/api/native/service_routes.h"
#include "rushes/server/api/openapi.h"
#include "rushes/server/check_options.h"
#include "rushes/server/http/listen_address.h"
#include "rushes/server/http/route_sets.h"

namespace rushes::server {
namespace {

using tcp = net::ip::tcp;
using boost::system::error_code;
constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
constexpr std::chrono::milliseconds kLongWork{300};

void require_api(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Api& api : apis()) known.push_back(api.name);
  require(std::find(known.begin(), known.end(), name) != known.end(), ErrorCode::invalid_argument,
          "there is no API '{}'; the known APIs are {}", name, fmt::join(known, ", "));
}

}  // namespace

struct Server::State {
  struct Listener {
    std::unique_ptr<tcp::acceptor> acceptor;
    ServedRoutes served;
  };

  State(ServerOptions given, std::vector<ModelSource> models)
      : options(std::move(given)), work(options.work), service(options.connections) {
    // Before the models are loaded, which takes its time.
    check_options(options);
    service.proxies = Proxies(options.proxy);
    require(!options.listen.empty(), ErrorCode::invalid_argument, "--listen needs at least one address");
    const std::vector<ListenAddress> addresses = parse_listen_addresses(options.listen);
    for (const ListenAddress& address : addresses) bind(address);
    sessions = std::make_unique<SessionStore>(std::move(models), options.sessions, options.data_directory, work,
                                              options.aliases);
    service.access = options.access;
    if (options.access.allow_origins.empty())
      for (const ListenAddress& address : addresses) allow_origins_of(address.sets);
    service.web_root = options.web_root;
    const ApiContext api_context{*sessions, work, service, options, sweeps};
    for (const Api& api : apis()) {
      sets.push_back(RouteSet{std::string(api.name), {}});
      api.add_routes(sets.back().routes, api_context);
      if (api.knows_its_queries)
        sets.back().routes.check_first([set = std::string(api.name)](const Route& route, const Request& request) {
          require_known_query(set, route, request);
        });
    }
    auto listener = listeners.begin();
    for (const ListenAddress& address : addresses) listen(address, *listener++);
  }

  void allow_origins_of(const std::vector<std::string>& sets) {
    for (const Api& api : apis())
      if (std::find(sets.begin(), sets.end(), api.name) != sets.end())
        service.access.allow_origins.insert(service.access.allow_origins.end(), api.origins.begin(), api.origins.end());
  }

  static void require_address(const error_code& error, const ListenAddress& address) {
    require(!error, ErrorCode::unavailable, "cannot listen at {}: {}; choose another address with --listen",
            address.text, error.message());
  }

  /// Takes the address; nobody is let in yet.
  void bind(const ListenAddress& address) {
    const tcp::endpoint& endpoint = address.endpoint;
    require_safe_address(options.access, address.text, endpoint.address().is_loopback());
    for (const std::string& name : address.sets) require_api(name);
    tcp::acceptor& acceptor = *listeners.emplace_back(Listener{std::make_unique<tcp::acceptor>(*context), {}}).acceptor;
    error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(net::socket_base::reuse_address(true), error);
    if (!error && endpoint.address().is_v6()) acceptor.set_option(net::ip::v6_only(true), error);
    if (!error) acceptor.bind(endpoint, error);
    require_address(error, address);
  }

  void listen(const ListenAddress& address, Listener& listener) {
    listener.served = choose_routes(sets, address.sets);
    listener.served.router.add(openapi_route(listener.served.router, *sessions, options.version), sets.front().name);
    for (const std::string& sentence : listener.served.left_out) log::warning("{}: {}", address.text, sentence);
    error_code error;
    listener.acceptor->listen(net::socket_base::max_listen_connections, error);
    require_address(error, address);
  }

  /// Until the listener is closed.
  net::awaitable<void> accept(Listener& listener) {
    net::steady_timer pause(*context);
    while (!service.closing && listener.acceptor->is_open()) {
      tcp::socket socket(*context);
      auto accepting = listener.acceptor->async_accept(socket, kAsTuple);
      const auto [error] = co_await std::move(accepting);
      if (error == net::error::operation_aborted || error == net::error::bad_descriptor) break;
      const bool taken =
          !error && generation::attempt("accepting connections", [&] { take(std::move(socket), listener); });
      if (taken) continue;
      // Out of file descriptors or memory: those who wait stay in the queue.
      pause.expires_after(std::chrono::milliseconds(100));
      auto waiting = pause.async_wait(kAsTuple);
      co_await std::move(waiting);
    }
  }

  void take(tcp::socket socket, Listener& listener) {
    if (service.counters.connections >= service.limits.connections) {
      ++service.counters.connections_refused;
      refuse_connection(std::move(socket));
    } else {  // counted at once, so that the next one finds it counted
      net::co_spawn(
          *context,
          serve_connection(std::move(socket), service, listener.served.router, Counted(service.counters.connections)),
          net::detached);
    }
  }

  /// Best effort, without waiting: the answer fits into the send buffer of a new connection.
  static void refuse_connection(tcp::socket socket) {
    static const std::string body =
        std::get<std::string>(error_response(503, "unavailable", "too many connections; try again later").body);
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
    net::signal_set signals(*context, SIGINT, SIGTERM);
    struct sigaction hangup {};  // of a terminal that is closed; nohup and the like have it ignored
    sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) signals.add(SIGHUP);
    for (;;) {
      auto waiting = signals.async_wait(kAsTuple);
      const auto [error, number] = co_await std::move(waiting);
      if (error) co_return;
      if (service.draining) std::_Exit(128 + number);
      log::info(
          "stopping: no new sessions are accepted, and running blocks are completed; send the signal again to exit at "
          "once");
      begin_drain();
    }
  }

  void begin_drain() {
    if (std::exchange(service.draining, true)) return;
    generation::attempt("the end of sessions", [&] { sessions->drain(); });
    net::co_spawn(*context, drain(), net::detached);
  }

  /// Waits until `done`, or for the time at most.
  template <typename Done>
  net::awaitable<void> wait_until(Done done, std::chrono::milliseconds most) {
    const auto deadline = std::chrono::steady_clock::now() + most;
    net::steady_timer tick(*context);
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
    if (!none_runs())
      log::warning("{} stopped before the end of a block", count_of(sessions->running(), "session", "is", "are"));
    generation::attempt("the end of sessions", [&] { sessions->stop_all(); });
    service.closing = true;
    error_code ignored;
    for (Listener& listener : listeners) listener.acceptor->close(ignored);
    for (auto* stream : service.idle) stream->cancel();
    const auto none_connected = [this] { return service.counters.connections == 0; };
    // Whoever waits for long work, such as the decoding of a huge picture, has nothing to take: no session begins now.
    const auto none_takes = [this] {
      return service.counters.connections <= static_cast<int64_t>(work.pending_for(kLongWork));
    };
    auto leaving = wait_until(none_takes, options.farewell);
    co_await std::move(leaving);
    if (!none_connected())
      log::warning("{} closed before the end", count_of(service.counters.connections, "connection", "is", "are"));
    context->stop();
  }

  net::awaitable<void> sweep() {
    net::steady_timer tick(*context);
    for (;;) {
      tick.expires_after(options.sweep);
      auto waiting = tick.async_wait(kAsTuple);
      co_await std::move(waiting);
      generation::attempt("the limits of sessions", [&] { sessions->sweep(); });
      for (const auto& each : sweeps) generation::attempt("the limits of an API", each);
    }
  }

  /// False: some work goes on.
  bool finish(std::chrono::milliseconds most) {
    work.close(std::chrono::milliseconds(0));
    sessions->close();
    return work.close(most);
  }

  /// Connections that are open at the end refer to all else in here: they go before it, and what wakes them, or uses
  /// their executor, goes before them.
  ~State() {
    finish(std::chrono::milliseconds(0));
    work.close();
    for (Listener& listener : listeners) listener.acceptor.reset();
    context.reset();
  }

  ServerOptions options;
  std::unique_ptr<net::io_context> context = std::make_unique<net::io_context>(1);
  WorkPool work;  // before all that has work done
  Service service;
  std::vector<RouteSet> sets;
  std::list<Listener> listeners;  // nodes stay where they are
  std::unique_ptr<SessionStore> sessions;
  std::vector<std::function<void()>> sweeps;  // of the APIs
};

Server::Server(ServerOptions options, std::shared_ptr<const generation::Model> model)
    : Server(std::move(options), std::vector<ModelSource>{{model->card().name, [model] { return model; }}}) {}

Server::Server(ServerOptions options, std::vector<ModelSource> models)
    : state_(std::make_unique<State>(std::move(options), std::move(models))) {
  for (const generation::Request& request : state_->options.start_with) state_->sessions->create(request);
}

Server::~Server() = default;

std::vector<std::string> Server::urls() const {
  std::vector<std::string> urls;
  for (const auto& listener : state_->listeners) urls.push_back(url_of(listener.acceptor->local_endpoint()));
  return urls;
}

std::vector<uint16_t> Server::ports() const {
  std::vector<uint16_t> ports;
  for (const auto& listener : state_->listeners) ports.push_back(listener.acceptor->local_endpoint().port());
  return ports;
}

std::vector<std::string> Server::routes() const {
  std::vector<std::string> routes;
  for (const auto& known : state_->listeners.front().served.router.routes())
    routes.push_back(known.route.method + " " + known.route.pattern);
  return routes;
}

void Server::run() {
  State& state = *state_;
  if (state.options.handle_signals) net::co_spawn(*state.context, state.watch_signals(), net::detached);
  for (auto& listener : state.listeners) net::co_spawn(*state.context, state.accept(listener), net::detached);
  net::co_spawn(*state.context, state.sweep(), net::detached);
  for (bool again = true; again;) try {
      state.context->run();
      again = false;
    } catch (const std::exception& error) {
      // Out of memory where no request could be answered: what it was for ends with it, everybody else goes on.
      log::error("server: {}", error.what());
    }
  state.sessions->stop_all();
}

bool Server::finish(std::chrono::milliseconds most) { return state_->finish(most); }

void Server::stop() {
  net::post(*state_->context, [this] { state_->begin_drain(); });
}

}  // namespace rushes::server
