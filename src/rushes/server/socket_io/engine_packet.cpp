#include "rushes/server/socket_io/engine_packet.h"

#include "rushes/base/error.h"

namespace rushes::server::socket_io {

EnginePacket parse_engine_packet(std::string_view text) {
  require(!text.empty(), ErrorCode::invalid_argument,
          "a packet of Engine.IO is empty; its first character is its type");
  const char type = text.front();
  text.remove_prefix(1);
  if (type == 'b') return {.type = EngineType::message, .data = text, .is_binary = true};
  require(type >= '0' && type <= '6', ErrorCode::invalid_argument,
          "a packet of Engine.IO begins with the byte {}; its types are 0 to 6, and b",
          static_cast<unsigned char>(type));
  return {.type = static_cast<EngineType>(type), .data = text};
}

std::vector<EnginePacket> split_payload(std::string_view body) {
  std::vector<EnginePacket> packets;
  for (;;) {
    require(packets.size() < kMostPackets, ErrorCode::invalid_argument, "a body has more than {} packets of Engine.IO",
            kMostPackets);
    const std::size_t end = body.find(kSeparator);
    packets.push_back(parse_engine_packet(body.substr(0, end)));
    if (end == std::string_view::npos) return packets;
    body.remove_prefix(end + 1);
  }
}

std::string engine_packet(EngineType type, std::string_view data) {
  std::string packet;
  packet.reserve(1 + data.size());
  packet += static_cast<char>(type);
  packet += data;
  return packet;
}

}  // namespace rushes::server::socket_io
