// Generations that clients ask for over Socket.IO, each under a name that is a room: who is in it is told what happens.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "rushes/server/api/omniavatar/studio.h"
#include "rushes/server/server.h"
#include "rushes/server/socket_io/endpoint.h"
#include "rushes/server/socket_io/rooms.h"

namespace rushes::server::omniavatar {

/// The server's thread only.
class Generations : public std::enable_shared_from_this<Generations> {
 public:
  Generations(std::shared_ptr<Studio> studio, AssistantOptions assistant)
      : studio_(std::move(studio)), assistant_(std::move(assistant)) {}

  /// What is behind the address. Keeps this.
  socket_io::App app();
  /// One runs that the client follows.
  bool follows_any(const socket_io::ClientPtr& client) const;

  nlohmann::json health() const;
  nlohmann::json model_info() const;

 private:
  struct Generation;
  using GenerationPtr = std::shared_ptr<Generation>;
  bool on_event(const socket_io::ClientPtr& client, const std::string& event, Json argument);
  void begin(const socket_io::ClientPtr& client, Json fields, std::optional<Mode> mode);
  void cancel(const std::string& id);
  void switch_mode(const socket_io::ClientPtr& client, const Json& fields);
  void leave(const std::string& room, const socket_io::ClientPtr& client);
  std::string model_for(Mode mode) const;
  net::awaitable<void> run(GenerationPtr generation, net::any_io_executor executor);
  net::awaitable<void> make(const GenerationPtr& generation, const net::any_io_executor& executor);
  net::awaitable<void> converse(const GenerationPtr& generation);
  net::awaitable<void> tell_all(const GenerationPtr& generation);
  void tell(const Generation& generation, const char* event, Json fields) const;
  void tell(const Generation& generation, std::string packet, bool may_be_missed = false) const;

  const std::shared_ptr<Studio> studio_;
  const AssistantOptions assistant_;
  socket_io::Rooms rooms_;
  std::map<std::string, GenerationPtr> generations_;  // by name
  std::deque<std::string> ended_;                     // their names, the oldest first
  std::optional<Mode> mode_;                          // that a client has chosen
  int64_t started_ = 0;
};

}  // namespace rushes::server::omniavatar
