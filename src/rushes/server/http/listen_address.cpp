#include "rushes/server/http/listen_address.h"

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <string_view>

#include "rushes/base/error.h"

namespace rushes::server {
namespace {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using boost::system::error_code;

tcp::endpoint parse_endpoint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "127.0.0.1" : text.substr(0, colon);
  const std::string_view digits =
      colon == std::string::npos ? std::string_view(text) : std::string_view(text).substr(colon + 1);
  uint16_t port = 0;
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool port_ok = wrong == std::errc{} && end == digits.data() + digits.size();
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  error_code error;
  const auto address = net::ip::make_address(host, error);
  require(port_ok && !error, ErrorCode::invalid_argument,
          "--listen '{}' must be ADDRESS:PORT with a numeric address, e.g. 127.0.0.1:8000, 0.0.0.0:8000 or [::1]:8000, "
          "optionally followed by APIs, e.g. 127.0.0.1:8080=openai",
          text);
  return {address, port};
}

std::vector<std::string> split_names(const std::string& option, std::string_view text) {
  std::vector<std::string> names;
  for (;;) {
    const std::string_view name = text.substr(0, text.find(','));
    require(!name.empty(), ErrorCode::invalid_argument,
            "--listen '{}' has an empty API name; list the names after '=', separated by commas", option);
    names.emplace_back(name);
    if (name.size() == text.size()) return names;
    text.remove_prefix(name.size() + 1);
  }
}

bool is_name(std::string_view option) {
  return option.find_first_of(":=") == std::string_view::npos &&
         option.find_first_not_of("0123456789") != std::string_view::npos;
}

}  // namespace

std::vector<ListenAddress> parse_listen_addresses(const std::vector<std::string>& options) {
  std::vector<ListenAddress> addresses;
  for (const std::string& option : options) {
    if (is_name(option) && !addresses.empty() && !addresses.back().sets.empty()) {
      for (std::string& name : split_names(option, option)) addresses.back().sets.push_back(std::move(name));
      continue;
    }
    const std::size_t equals = option.find('=');
    ListenAddress address;
    address.text = option.substr(0, equals);
    address.endpoint = parse_endpoint(address.text);
    if (equals != std::string::npos) address.sets = split_names(option, std::string_view(option).substr(equals + 1));
    addresses.push_back(std::move(address));
  }
  return addresses;
}

std::string url_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return fmt::format("http://{}:{}", endpoint.address().is_v6() ? "[" + address + "]" : address, endpoint.port());
}

}  // namespace rushes::server
