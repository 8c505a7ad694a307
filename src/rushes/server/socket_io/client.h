// One client of Socket.IO: what waits for it, and how it is reached at the moment.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/server/http/http.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/socket_io/options.h"

namespace rushes::server::socket_io {

/// The server's thread only. Kept by its Endpoint until it is closed.
class Client {
 public:
  static constexpr std::size_t kMostPackets = 4096;  // that wait; a client that causes more is closed
  /// In an answer to a poll: python-engineio takes more for an attack, and leaves.
  static constexpr std::size_t kMostInAnswer = 16;

  Client(net::any_io_executor executor, std::size_t queue_bytes);

  /// As it is called in addresses; unguessable.
  const std::string& sid() const noexcept { return sid_; }
  /// As it is called in events: clients tell each other this one.
  const std::string& id() const noexcept { return id_; }

  /// An event with one argument; lost if the client has left.
  void emit(std::string_view event, const Json& argument);
  /// The same as event_packet() has made it, so that it can be made elsewhere.
  void send(std::string packet);
  bool has_room() const noexcept { return queued_bytes_ < queue_bytes_; }
  /// Returns when it has room or has left. Several may wait.
  net::awaitable<void> room();
  bool closed() const noexcept { return closed_; }
  /// The server's.
  const net::any_io_executor& executor() const noexcept { return executor_; }

 private:
  friend class Endpoint;
  bool has_packets() const noexcept { return !queue_.empty(); }
  std::string take();
  /// As many as the body of an answer may have.
  std::string take_several();
  void wake() const { reader_->notifier()(); }
  /// It takes no more; what waits may still be fetched by who waits for it.
  void close();

  const net::any_io_executor executor_;
  const std::string sid_, id_;
  const std::size_t queue_bytes_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  std::shared_ptr<Wakeup> reader_;  // of who sends what waits: the poll, or the WebSocket
  std::vector<std::weak_ptr<Wakeup>> writers_;
  net::steady_timer heartbeat_;
  bool closed_ = false, connected_ = false, answered_ = true;  // connected: to the default namespace
  bool polls_ = false, posts_ = false;                         // a request of the kind is in work
  enum class Transport { polling, upgrading, websocket } transport_ = Transport::polling;
};
using ClientPtr = std::shared_ptr<Client>;

}  // namespace rushes::server::socket_io
