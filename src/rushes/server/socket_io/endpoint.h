// The address of Socket.IO, revision 5 over Engine.IO 4: by long polling, by WebSocket, and from the one to the other.
// Packets of a client are handled one after the other; what is large is parsed away from the server's thread.
#pragma once
#include <functional>
#include <map>

#include "rushes/server/http/access.h"
#include "rushes/server/http/router.h"
#include "rushes/server/http/websocket.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/socket_io/client.h"
#include "rushes/server/socket_io/engine_packet.h"
#include "rushes/server/socket_io/packet.h"

namespace rushes::server::socket_io {

/// What is behind the address, for clients of the default namespace. All of it must return at once and throw nothing
/// but Error, which closes the client.
struct App {
  std::function<void(const ClientPtr&)> connected;
  /// Of its first argument; null: it has none. True: the event is known, and acknowledged if the client asks for that.
  std::function<bool(const ClientPtr&, const std::string& event, Json argument)> event;
  /// It has left, or has been closed.
  std::function<void(const ClientPtr&)> gone;
};

/// The server's thread only.
class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  /// `work` and `access` must outlive it.
  Endpoint(const Options& options, App app, WorkPool& work, const AccessOptions& access)
      : options_(options), app_(std::move(app)), work_(work), access_(access) {}

  /// Below `path`, which ends without '/'.
  void add_routes(Router& router, const std::string& path);
  /// Closes those for which `over` says so.
  void close_if(const std::function<bool(const ClientPtr&)>& over);
  std::size_t clients() const noexcept { return clients_.size(); }

 private:
  struct Upgrade;
  net::awaitable<Response> get(const Request& request);
  net::awaitable<Response> post(const Request& request);
  net::awaitable<Response> poll(ClientPtr client, const Request& request);
  Feed feed(const Request& request);
  net::awaitable<void> run_socket(std::shared_ptr<Upgrade> upgrade, WebSocket& socket);
  net::awaitable<void> hear(std::shared_ptr<Upgrade> upgrade, std::string message, bool is_text);

  ClientPtr open(const net::any_io_executor& executor, Client::Transport transport);
  std::string handshake(const Client& client) const;
  net::awaitable<void> watch(ClientPtr client);
  net::awaitable<void> handle(ClientPtr client, EnginePacket packet);
  void handle(const ClientPtr& client, Packet packet);
  void close(const ClientPtr& client, std::string_view reason);
  void leave(const ClientPtr& client);
  Response text(const Request& request, std::string body) const;
  Response refusal(const Request& request, std::string_view why) const;

  const Options options_;
  const App app_;
  WorkPool& work_;
  const AccessOptions& access_;
  std::map<std::string, ClientPtr, std::less<>> clients_;  // by sid
};

}  // namespace rushes::server::socket_io
