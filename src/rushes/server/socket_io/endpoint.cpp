#include "rushes/server/socket_io/endpoint.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "rushes/base/log.h"
#include "rushes/generation/failure.h"

namespace rushes::server::socket_io {
namespace {

constexpr auto kAsTuple = net::as_tuple(net::use_awaitable);
constexpr std::string_view kProbe = "probe";

std::string query_of(const Request& request, std::string_view name) { return request.query_value(name).value_or(""); }

/// Calls a function in the end, however that comes.
template <typename Function>
class AtEnd {
 public:
  explicit AtEnd(Function function) : function_(std::move(function)) {}
  ~AtEnd() { function_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  Function function_;
};

/// True while a request of a client is in work.
class InWork {
 public:
  explicit InWork(bool& flag) : flag_(flag) { flag_ = true; }
  ~InWork() { flag_ = false; }
  InWork(const InWork&) = delete;
  InWork& operator=(const InWork&) = delete;

 private:
  bool& flag_;
};

}  // namespace

/// A WebSocket, which may take over a client that has polled until then.
struct Endpoint::Upgrade {
  ClientPtr client;  // null: a new one
  std::shared_ptr<Wakeup> wakeup = {};
  bool complete = false;  // the client is reached by it
  bool probed = false;    // an answer is due
  bool failed = false;
};

void Endpoint::add_routes(Router& router, const std::string& path) {
  const auto self = shared_from_this();
  for (const std::string& pattern : {path, path + "/"}) {
    Route get;
    get.method = "GET";
    get.pattern = pattern;
    get.effect = Route::Effect::changes;  // it makes a client
    get.answer_later = [self](const Request& request) { return self->get(request); };
    get.feed = [self](const Request& request) { return self->feed(request); };
    get.max_message_bytes = options_.max_payload_bytes;
    router.add(std::move(get));
    router.answer_later(
        "POST", pattern, [self](const Request& request) { return self->post(request); }, options_.max_payload_bytes);
  }
}

Response Endpoint::text(const Request& request, std::string body) const {
  Response response;
  response.content_type = request.method == "POST" ? "text/plain" : "text/plain; charset=UTF-8";
  response.body = std::move(body);
  response.headers.emplace_back("Cache-Control", "no-store");
  // Cookies of a proxy's are not for the pages of just anybody.
  const auto& origins = access_.allow_origins;
  if (std::find(origins.begin(), origins.end(), "*") == origins.end() && allowed_origin(access_, request))
    response.headers.emplace_back("Access-Control-Allow-Credentials", "true");
  return response;
}

Response Endpoint::refusal(const Request& request, std::string_view why) const {
  Response response = text(request, Json(why).dump(-1, ' ', true, Json::error_handler_t::replace));
  response.status = 400;
  response.content_type = "application/json";
  return response;
}

ClientPtr Endpoint::open(const net::any_io_executor& executor, Client::Transport transport) {
  require(clients_.size() < options_.clients, ErrorCode::unavailable,
          "{} clients of Socket.IO are connected, which is the limit; try again later", options_.clients);
  const auto client = std::make_shared<Client>(executor, options_.queue_bytes);
  client->transport_ = transport;
  clients_.emplace(client->sid(), client);
  net::co_spawn(
      executor, [self = shared_from_this(), client] { return self->watch(client); }, net::detached);
  return client;
}

std::string Endpoint::handshake(const Client& client) const {
  Json upgrades = Json::array();
  if (client.transport_ == Client::Transport::polling) upgrades.push_back("websocket");
  const Json fields{{"sid", client.sid()},
                    {"upgrades", upgrades},
                    {"pingTimeout", options_.ping_timeout.count()},
                    {"pingInterval", options_.ping_interval.count()},
                    {"maxPayload", options_.max_payload_bytes}};
  return engine_packet(EngineType::open, fields.dump());
}

/// Asks now and then whether it is still there. One that has not connected until then never will.
net::awaitable<void> Endpoint::watch(ClientPtr client) {
  const AtEnd leaving([&] { leave(client); });  // also where the server ends: its timer must not outlive that
  while (!client->closed()) {
    client->heartbeat_.expires_after(options_.ping_interval);
    auto resting = client->heartbeat_.async_wait(kAsTuple);
    co_await std::move(resting);
    if (client->closed()) break;
    if (!client->connected_) co_return close(client, "it has not connected to a namespace");
    client->answered_ = false;
    client->send(engine_packet(EngineType::ping));
    client->heartbeat_.expires_after(options_.ping_timeout);
    auto waiting = client->heartbeat_.async_wait(kAsTuple);  // its answer ends it
    co_await std::move(waiting);
    if (!client->closed() && !client->answered_) co_return close(client, "it did not answer in time");
  }
}

void Endpoint::close_if(const std::function<bool(const ClientPtr&)>& over) {
  std::vector<ClientPtr> closing;
  for (const auto& [sid, client] : clients_)
    if (over(client)) closing.push_back(client);
  for (const ClientPtr& client : closing) close(client, "the server is shutting down");
}

void Endpoint::close(const ClientPtr& client, std::string_view reason) {
  if (!client->closed()) {
    log::info("Socket.IO client {}: closed: {}", client->id(), reason);
    client->send(engine_packet(EngineType::close));
  }
  leave(client);
}

/// Closed by whom- or whatever.
void Endpoint::leave(const ClientPtr& client) {
  client->close();
  clients_.erase(client->sid());
  if (std::exchange(client->connected_, false)) app_.gone(client);
}

// ---- long polling ----

net::awaitable<Response> Endpoint::get(const Request& request) {
  const std::string sid = query_of(request, "sid"), transport = query_of(request, "transport");
  if (transport != "polling") co_return refusal(request, "Invalid transport");
  if (query_of(request, "EIO") != "4")
    co_return refusal(request, "The client is using an unsupported version of the Socket.IO or Engine.IO protocols");
  if (sid.empty()) {
    const ClientPtr client = open(co_await net::this_coro::executor, Client::Transport::polling);
    co_return text(request, handshake(*client));
  }
  const auto found = clients_.find(sid);
  if (found == clients_.end()) co_return refusal(request, "Invalid session " + sid);
  auto polling = poll(found->second, request);
  co_return co_await std::move(polling);
}

net::awaitable<Response> Endpoint::poll(ClientPtr client, const Request& request) {
  if (client->transport_ == Client::Transport::websocket)
    co_return refusal(request, "Invalid transport for session " + client->sid());
  if (client->polls_) {
    close(client, "it sent a second request for what waits while one was in work");
    co_return refusal(request, "Invalid session " + client->sid() + ": a request for its packets is in work");
  }
  const InWork polls(client->polls_);
  while (!client->has_packets() && !client->closed() && client->transport_ == Client::Transport::polling) {
    auto waiting = client->reader_->wait();
    co_await std::move(waiting);
  }
  // What comes while it changes to a WebSocket goes out there.
  const bool changes = client->transport_ != Client::Transport::polling;
  std::string body = changes ? std::string() : client->take_several();
  if (body.empty()) body = engine_packet(client->closed() ? EngineType::close : EngineType::noop);
  co_return text(request, std::move(body));
}

net::awaitable<Response> Endpoint::post(const Request& request) {
  const std::string sid = query_of(request, "sid");
  const auto found = clients_.find(sid);
  if (found == clients_.end()) co_return refusal(request, "Invalid session " + (sid.empty() ? "None" : sid));
  const ClientPtr client = found->second;
  if (client->transport_ == Client::Transport::websocket)
    co_return refusal(request, "Invalid transport for session " + sid);
  if (client->posts_) {
    close(client, "it sent a second request with packets while one was in work");
    co_return refusal(request, "Invalid session " + sid + ": a request with its packets is in work");
  }
  const InWork posts(client->posts_);
  std::string wrong;
  try {
    auto splitting = work_.run_if_large(request.body.size(), [&] { return split_payload(request.body); });
    const std::vector<EnginePacket> packets = co_await std::move(splitting);
    for (const EnginePacket& packet : packets) {
      auto handling = handle(client, packet);
      co_await std::move(handling);
    }
  } catch (const Error& error) {
    wrong = error.what();
  }
  if (wrong.empty()) co_return text(request, "OK");
  close(client, wrong);
  co_return refusal(request, wrong);
}

// ---- WebSocket ----

Feed Endpoint::feed(const Request& request) {
  require(query_of(request, "transport") == "websocket", ErrorCode::invalid_argument, "Invalid websocket upgrade");
  require(query_of(request, "EIO") == "4", ErrorCode::invalid_argument,
          "The client is using an unsupported version of the Socket.IO or Engine.IO protocols");
  const auto upgrade = std::make_shared<Upgrade>();
  if (const std::string sid = query_of(request, "sid"); !sid.empty()) {
    const auto found = clients_.find(sid);
    require(found != clients_.end(), ErrorCode::invalid_argument, "Invalid session {}", sid);
    upgrade->client = found->second;
    require(upgrade->client->transport_ == Client::Transport::polling, ErrorCode::invalid_argument,
            "Invalid transport for session {}", sid);
  }
  return [self = shared_from_this(), upgrade](WebSocket& socket) { return self->run_socket(upgrade, socket); };
}

net::awaitable<void> Endpoint::run_socket(std::shared_ptr<Upgrade> upgrade, WebSocket& socket) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  upgrade->wakeup = std::make_shared<Wakeup>(executor);
  std::string opening;
  if (!upgrade->client) {
    upgrade->client = open(executor, Client::Transport::websocket);
    upgrade->client->reader_ = upgrade->wakeup;
    upgrade->complete = true;
    opening = handshake(*upgrade->client);
  }
  const ClientPtr client = upgrade->client;
  // A client that is reached by it leaves with it, another one goes on polling.
  const AtEnd ending([&] {
    if (upgrade->complete)
      leave(client);
    else if (client->transport_ == Client::Transport::upgrading)
      client->transport_ = Client::Transport::polling;
  });
  socket.on_message([self = shared_from_this(), upgrade](std::string message, bool is_text) {
    return self->hear(upgrade, std::move(message), is_text);
  });
  if (!opening.empty()) {
    auto sending = socket.send_text(std::move(opening));
    co_await std::move(sending);
  }
  net::steady_timer late(executor, options_.upgrade);
  if (!upgrade->complete)
    late.async_wait([upgrade](boost::system::error_code cancelled) {
      if (cancelled || upgrade->complete) return;
      upgrade->failed = true;
      upgrade->wakeup->notifier()();
    });
  for (;;) {
    std::string packet;
    if (std::exchange(upgrade->probed, false)) packet = engine_packet(EngineType::pong, kProbe);
    if (packet.empty() && upgrade->complete && client->has_packets()) packet = client->take();
    if (!packet.empty()) {
      auto sending = socket.send_text(std::move(packet));
      co_await std::move(sending);
      continue;
    }
    if (upgrade->failed || client->closed()) break;
    auto waiting = upgrade->wakeup->wait();
    co_await std::move(waiting);
  }
  auto closing = socket.close(CloseCode::normal, "");
  co_await std::move(closing);
}

net::awaitable<void> Endpoint::hear(std::shared_ptr<Upgrade> upgrade, std::string message, bool is_text) {
  const ClientPtr client = upgrade->client;
  std::string wrong;
  try {
    const EnginePacket packet =
        is_text ? parse_engine_packet(message) : EnginePacket{.data = message, .is_binary = true};
    if (upgrade->complete) {
      auto handling = handle(client, packet);
      co_await std::move(handling);
    } else if (packet.type == EngineType::ping && packet.data == kProbe) {
      client->transport_ = Client::Transport::upgrading;
      client->wake();  // the request that waits is answered, so that no other one follows
      upgrade->probed = true;
    } else if (packet.type == EngineType::upgrade && client->transport_ == Client::Transport::upgrading) {
      client->transport_ = Client::Transport::websocket;
      client->reader_ = upgrade->wakeup;
      upgrade->complete = true;
    } else {
      upgrade->failed = true;
    }
  } catch (const Error& error) {
    wrong = error.what();
  }
  if (!wrong.empty()) close(client, wrong);
  upgrade->wakeup->notifier()();
}

// ---- packets ----

net::awaitable<void> Endpoint::handle(ClientPtr client, EnginePacket packet) {
  switch (packet.type) {
    case EngineType::pong:
      if (!std::exchange(client->answered_, true)) client->heartbeat_.cancel();
      break;
    case EngineType::close: leave(client); break;
    case EngineType::message: {
      require(!packet.is_binary, ErrorCode::unsupported, "binary parts belong to no event");
      auto parsing = work_.run_if_large(packet.data.size(), [&] { return parse_packet(packet.data); });
      Packet parsed = co_await std::move(parsing);
      if (!client->closed()) handle(client, std::move(parsed));
      break;
    }
    default: break;
  }
}

void Endpoint::handle(const ClientPtr& client, Packet packet) {
  const auto send = [&](const Packet& answer) { client->send(engine_packet(EngineType::message, text_of(answer))); };
  const bool is_ours = packet.name_space == "/";
  switch (packet.type) {
    case PacketType::connect:
      if (!is_ours) return send({PacketType::connect_error, packet.name_space, {}, {{"message", "Invalid namespace"}}});
      if (std::exchange(client->connected_, true)) return;
      send({.type = PacketType::connect, .data = {{"sid", client->id()}}});
      return app_.connected(client);
    case PacketType::disconnect:
      if (is_ours && std::exchange(client->connected_, false)) app_.gone(client);
      return;
    case PacketType::event: {
      require(!is_ours || client->connected_, ErrorCode::invalid_argument, "an event came before the connection");
      if (!is_ours) return;
      Json argument = packet.data.size() > 1 ? std::move(packet.data[1]) : Json();
      if (app_.event(client, packet.event(), std::move(argument)) && packet.id)
        send({.type = PacketType::ack, .id = packet.id, .data = Json::array()});
      return;
    }
    default: return;  // nobody here asks for an acknowledgement
  }
}

}  // namespace rushes::server::socket_io
