// For tests: the client's side of a WebSocket whose messages are JSON.
#pragma once
#include <string>
#include <vector>

#include "rushes/server/test_client.h"

namespace rushes::server {

/// A frame of a client.
inline std::string masked(int opcode, const std::string& text) {
  std::string head{static_cast<char>(0x80 | opcode)};
  if (text.size() < 126) {
    head += static_cast<char>(0x80 | text.size());
  } else if (text.size() < 65'536) {
    head += {'\xfe', static_cast<char>(text.size() >> 8), static_cast<char>(text.size())};
  } else {
    head += '\xff';
    for (int shift = 56; shift >= 0; shift -= 8) head += static_cast<char>(text.size() >> shift);
  }
  return head + std::string(4, '\0') + text;  // a mask of zeros changes nothing
}

struct WebSocketPeer {
  WebSocketPeer(const RunningServer& server, const std::string& path) : client(server.port()) {
    EXPECT_EQ(client.upgrade(path).status, 101);
  }
  void say(const nlohmann::json& message) { client.write(masked(1, message.dump())); }
  nlohmann::json hear() {
    const Frame frame = client.read_message();
    EXPECT_EQ(frame.opcode, 1) << frame.payload.substr(0, 200);
    return frame.opcode == 1 ? nlohmann::json::parse(frame.payload) : nlohmann::json{{"type", "closed"}};
  }
  /// The types of all messages up to one of these.
  std::vector<std::string> hear_until(const std::string& last) {
    std::vector<std::string> types;
    do {
      newest = hear();
      types.push_back(newest["type"]);
    } while (types.back() != last && types.back() != "closed");
    return types;
  }
  TestClient client;
  nlohmann::json newest;
};

}  // namespace rushes::server
