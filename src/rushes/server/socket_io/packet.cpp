#include "rushes/server/socket_io/packet.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "rushes/server/api/json_check.h"
#include "rushes/server/socket_io/engine_packet.h"

namespace rushes::server::socket_io {
namespace {

// What clients and servers say of a connection themselves: never the name of an event that is sent.
constexpr std::array<std::string_view, 6> kReserved{"connect",       "connect_error", "disconnect",
                                                    "disconnecting", "newListener",   "removeListener"};

bool fits(const Packet& packet) {
  const Json& data = packet.data;
  switch (packet.type) {
    case PacketType::connect: return data.is_null() || data.is_object();
    case PacketType::disconnect: return data.is_null();
    case PacketType::event:
      return data.is_array() && !data.empty() && data.front().is_string() &&
             std::find(kReserved.begin(), kReserved.end(), packet.event()) == kReserved.end();
    case PacketType::ack: return packet.id && data.is_array();
    default: return data.is_object() || data.is_string();
  }
}

std::string ascii(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

/// "/name," in front; the default namespace is not named.
std::string take_namespace(std::string_view& text) {
  if (!text.starts_with('/')) return "/";
  const std::size_t end = std::min(text.find(','), text.size());
  std::string name(text.substr(0, std::min(end, text.find('?'))));  // older clients put a query behind it
  text.remove_prefix(std::min(end + 1, text.size()));
  return name;
}

std::optional<int64_t> take_id(std::string_view& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return std::nullopt;
  int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, id);
  require(error == std::errc{}, ErrorCode::invalid_argument, "a packet of Socket.IO has a number of {} digits", digits);
  text.remove_prefix(digits);
  return id;
}

}  // namespace

Packet parse_packet(std::string_view text) {
  require(!text.empty() && text.front() >= '0' && text.front() <= '6', ErrorCode::invalid_argument,
          "a packet of Socket.IO must begin with its type, 0 to 6");
  Packet packet{.type = static_cast<PacketType>(text.front())};
  text.remove_prefix(1);
  require(packet.type != PacketType::binary_event && packet.type != PacketType::binary_ack, ErrorCode::unsupported,
          "events with binary parts are not read; send bytes as base64");
  packet.name_space = take_namespace(text);
  packet.id = take_id(text);
  if (!text.empty()) {
    std::string kept;
    text = whole_characters(text, kept);
    check_json(text, EqualNames::allowed);
    packet.data = Json::parse(text, nullptr, false);
    require(!packet.data.is_discarded(), ErrorCode::invalid_argument, "a packet of Socket.IO has data that is no JSON");
  }
  require(fits(packet), ErrorCode::invalid_argument, "a packet of Socket.IO of type {} has data that does not fit it",
          static_cast<char>(packet.type));
  return packet;
}

std::string text_of(const Packet& packet) {
  std::string text(1, static_cast<char>(packet.type));
  if (packet.name_space != "/") text += packet.name_space + ",";
  if (packet.id) text += std::to_string(*packet.id);
  if (!packet.data.is_null()) text += ascii(packet.data);
  return text;
}

std::string event_packet(std::string_view event, const Json& argument) {
  std::string text{static_cast<char>(EngineType::message), static_cast<char>(PacketType::event)};
  return text + "[" + ascii(Json(event)) + "," + ascii(argument) + "]";
}

}  // namespace rushes::server::socket_io
