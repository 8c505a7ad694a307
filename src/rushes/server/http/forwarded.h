// Where clients see this server when a proxy stands in front of it: below a path, under another name, by https.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rushes/server/http/http.h"
#include "rushes/server/http/options.h"

namespace rushes::server {

class Proxies {
 public:
  Proxies() : Proxies(ProxyOptions{}) {}
  /// Throws Error(invalid_argument) for a base path or an address that is none.
  explicit Proxies(const ProxyOptions& options);

  /// Sets what the request says of the client's view, and takes the base path off its path. `port`: where it came in.
  /// A Host without one can only come from a proxy, then, and does not tell at which port the client sees the server.
  void apply(const net::ip::address& peer, uint16_t port, Request& request) const;

 private:
  bool is_trusted(const net::ip::address& peer) const;

  std::string base_path_;
  std::vector<std::variant<net::ip::network_v4, net::ip::network_v6>> trusted_;
};

/// "/a/b" of "/a/b/"; empty for "/" or nothing. Nothing: it cannot be the beginning of a path.
std::optional<std::string> checked_base_path(std::string_view text);

}  // namespace rushes::server
