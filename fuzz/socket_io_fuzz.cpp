// Any bytes as what a client of Socket.IO sends by polling: packets within them, each of which is read as the server
// reads it, and written to what is read as the same; or an Error.
#include "rushes/base/error.h"
#include "rushes/server/socket_io/engine_packet.h"
#include "rushes/server/socket_io/packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rushes::server::socket_io;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  try {
    for (const EnginePacket& packet : split_payload(body)) {
      if (packet.data.data() < body.data() || packet.data.data() + packet.data.size() > body.data() + size)
        __builtin_trap();
      if (packet.type != EngineType::message || packet.is_binary) continue;
      const Packet parsed = parse_packet(packet.data);
      const Packet again = parse_packet(text_of(parsed));
      if (again.type != parsed.type || again.id != parsed.id || again.data != parsed.data) __builtin_trap();
    }
  } catch (const rushes::Error&) {}
  return 0;
}
