// Packets of Engine.IO, revision 4 of its protocol: what carries the messages of Socket.IO, over long polling several
// in a body, over a WebSocket one in a frame. Plain functions of bytes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace rushes::server::socket_io {

enum class EngineType : char {
  open = '0',
  close = '1',
  ping = '2',
  pong = '3',
  message = '4',
  upgrade = '5',
  noop = '6'
};

struct EnginePacket {
  EngineType type = EngineType::message;
  std::string_view data = {};  // within what was parsed; of a binary message of polling it is still base64
  bool is_binary = false;
};

// Between the packets of a body of polling; no text of JSON has it.
inline constexpr char kSeparator = '\x1e';
// Bodies of one separator after another would be a packet for each byte; no client has that many to say at once.
inline constexpr std::size_t kMostPackets = 4096;

/// One packet as text. Throws Error(invalid_argument) for one without a type, or of an unknown one.
EnginePacket parse_engine_packet(std::string_view text);

/// The packets of a body of polling, at least one. Throws as parse_engine_packet(), also for kMostPackets and more.
std::vector<EnginePacket> split_payload(std::string_view body);

std::string engine_packet(EngineType type, std::string_view data = {});

}  // namespace rushes::server::socket_io
