// Where the server listens, and for what, as --listen says it.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

namespace rushes::server {

struct ListenAddress {
  std::string text;  // without the sets
  boost::asio::ip::tcp::endpoint endpoint;
  std::vector<std::string> sets;  // of routes, that are named; none: all that can be served together
};

/// Each is ADDRESS:PORT, [ADDRESS]:PORT or PORT, then possibly '=' and names with commas between them. A name by itself
/// goes with the address before it: lists in environment variables are separated by commas as well. Throws
/// Error(invalid_argument).
std::vector<ListenAddress> parse_listen_addresses(const std::vector<std::string>& options);

/// "http://127.0.0.1:8000"
std::string url_of(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace rushes::server
