// Packets of Socket.IO, revision 5 of its protocol, each the message of a packet of Engine.IO: to connect to a
// namespace, events and their acknowledgements. Plain functions of text.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/server/http/http.h"

namespace rushes::server::socket_io {

enum class PacketType : char {
  connect = '0',
  disconnect = '1',
  event = '2',
  ack = '3',
  connect_error = '4',
  binary_event = '5',
  binary_ack = '6'
};

struct Packet {
  PacketType type = PacketType::event;
  std::string name_space = "/";
  std::optional<int64_t> id = {};  // of an acknowledgement, asked for or given
  Json data = {};                  // event: [name, arguments...]; ack: [arguments...]; connect: an object or nothing

  /// Of an event.
  const std::string& event() const { return data.front().get_ref<const std::string&>(); }
};

/// Throws Error(invalid_argument) for what is no packet, and for data that its type does not have; Error(too_large) as
/// check_json(); Error(unsupported) for events with binary parts, of which no server here has any.
Packet parse_packet(std::string_view text);

/// JSON is compact, and ASCII.
std::string text_of(const Packet& packet);

/// A packet of Engine.IO with the event of the default namespace.
std::string event_packet(std::string_view event, const Json& argument);

}  // namespace rushes::server::socket_io
