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

namespace rushes::server {

struct ProxyOptions {
  std::string base_path;  // "/rushes"; with it, both /rushes/v1/... and /v1/... are served
  /// Addresses and networks whose X-Forwarded-Prefix, -Host, -Port and -Proto count, "none" for none. Who is on this
  /// machine may say so by default: a foreign web page, which could be, cannot send these headers unasked.
  std::vector<std::string> trusted{"127.0.0.0/8", "::1"};
};

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
