// Who is told what: clients by the names of rooms.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "rushes/server/socket_io/client.h"

namespace rushes::server::socket_io {

/// The server's thread only.
class Rooms {
 public:
  /// A client that joins more of them, or one with a longer name, is refused.
  static constexpr std::size_t kMostOfOne = 64, kMostNameBytes = 256;

  /// Throws Error(invalid_argument).
  void join(const std::string& room, const ClientPtr& client) {
    require(room.size() <= kMostNameBytes, ErrorCode::invalid_argument, "the name has more than {} bytes",
            kMostNameBytes);
    std::set<std::string>& of_client = rooms_[client];
    require(of_client.contains(room) || of_client.size() < kMostOfOne, ErrorCode::invalid_argument,
            "a client can be in {} rooms at most", kMostOfOne);
    of_client.insert(room);
    members_[room].insert(client);
  }
  void leave(const std::string& room, const ClientPtr& client) {
    if (const auto found = rooms_.find(client); found != rooms_.end()) {
      found->second.erase(room);
      if (found->second.empty()) rooms_.erase(found);
    }
    if (const auto found = members_.find(room); found != members_.end()) {
      found->second.erase(client);
      if (found->second.empty()) members_.erase(found);
    }
  }
  /// Those that it was in.
  std::vector<std::string> leave_all(const ClientPtr& client) {
    const auto found = rooms_.find(client);
    if (found == rooms_.end()) return {};
    const std::vector<std::string> left(found->second.begin(), found->second.end());
    for (const std::string& room : left) leave(room, client);
    return left;
  }
  bool has(const std::string& room, const ClientPtr& client) const {
    const auto found = members_.find(room);
    return found != members_.end() && found->second.contains(client);
  }
  /// A copy: telling them something may end one of them.
  std::vector<ClientPtr> members(const std::string& room) const {
    const auto found = members_.find(room);
    if (found == members_.end()) return {};
    return {found->second.begin(), found->second.end()};
  }

 private:
  std::map<ClientPtr, std::set<std::string>> rooms_;
  std::map<std::string, std::set<ClientPtr>, std::less<>> members_;
};

}  // namespace rushes::server::socket_io
