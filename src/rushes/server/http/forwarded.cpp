#include "rushes/server/http/forwarded.h"

#include <algorithm>

#include "rushes/server/http/access.h"
#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

namespace ip = net::ip;

constexpr std::size_t kMaxBasePath = 256;

std::variant<ip::network_v4, ip::network_v6> parse_network(const std::string& text) {
  boost::system::error_code error;
  const bool has_length = text.find('/') != std::string::npos;
  if (text.find(':') == std::string::npos) {
    const auto network = ip::make_network_v4(has_length ? text : text + "/32", error);
    if (!error) return network;
  } else {
    const auto network = ip::make_network_v6(has_length ? text : text + "/128", error);
    if (!error) return network;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("--trusted-proxy '{}' must be an address, a network such as 10.0.0.0/8, or none", text));
}

template <typename Network, typename Address>
bool has(const Network& network, const Address& address) {
  using OfOne = Network;
  return OfOne(address, network.prefix_length()).canonical() == network.canonical();
}

/// Several proxies in a row each add theirs; the first is what the client sees.
std::string_view first_of(std::string_view list) { return take_element(list); }

bool has_port(std::string_view host) { return host.find(':', host.rfind(']') + 1) != std::string_view::npos; }

}  // namespace

std::optional<std::string> checked_base_path(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  if (text.empty()) return std::string();
  constexpr std::string_view kAllowed = "-._~%!$&'()*+,;=:@/";
  const bool usable = text.starts_with('/') && text.size() <= kMaxBasePath &&
                      text.find("//") == std::string_view::npos &&  // "//host" would be another server
                      std::all_of(text.begin(), text.end(), [&](unsigned char c) {
                        return (c < 128 && std::isalnum(c)) || kAllowed.find(static_cast<char>(c)) != kAllowed.npos;
                      });
  if (!usable || !percent_decode(text)) return std::nullopt;
  for (std::string_view rest = text; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part == "." || part == "..") return std::nullopt;
    rest.remove_prefix(part.size());
  }
  return std::string(text);
}

Proxies::Proxies(const ProxyOptions& options) {
  const auto base = checked_base_path(options.base_path);
  require(base.has_value(), ErrorCode::invalid_argument,
          "--base-path '{}' must be a path such as /rushes, percent-encoded where necessary", options.base_path);
  base_path_ = *base;
  if (options.trusted == std::vector<std::string>{"none"}) return;
  for (const std::string& text : options.trusted) trusted_.push_back(parse_network(text));
}

bool Proxies::is_trusted(const ip::address& peer) const {
  const bool is_v4 = peer.is_v4() || peer.to_v6().is_v4_mapped();
  const auto v4 = peer.is_v4() ? peer.to_v4()
                  : is_v4      ? ip::make_address_v4(ip::v4_mapped, peer.to_v6())
                               : ip::address_v4();
  return std::any_of(trusted_.begin(), trusted_.end(), [&](const auto& network) {
    if (const auto* of_v4 = std::get_if<ip::network_v4>(&network)) return is_v4 && has(*of_v4, v4);
    return !is_v4 && has(std::get<ip::network_v6>(network), peer.to_v6());
  });
}

void Proxies::apply(const ip::address& peer, uint16_t port, Request& request) const {
  constexpr uint16_t kUsualPort = 80;
  request.base_path = base_path_;
  request.public_host = request.header("host");
  request.lost_port = port != kUsualPort && !has_port(request.public_host);
  if (is_trusted(peer)) {
    if (const auto prefix = checked_base_path(first_of(request.header("x-forwarded-prefix")));
        prefix && !prefix->empty())
      request.base_path = *prefix;
    const std::string_view proto = first_of(request.header("x-forwarded-proto"));
    if (equal_names(proto, "http") || equal_names(proto, "https")) request.scheme = lower_case(proto);
    const std::string_view host = first_of(request.header("x-forwarded-host"));
    if (!host.empty() && is_host(host)) request.public_host = host;
    const std::string_view public_port = first_of(request.header("x-forwarded-port"));
    if (!public_port.empty() && !has_port(request.public_host) &&
        is_host(fmt::format("{}:{}", request.public_host, public_port)))
      request.public_host += fmt::format(":{}", public_port);
  }
  // A proxy passes the path on with or without what it has in front.
  const std::string& base = request.base_path;
  if (!base.empty() && request.path.starts_with(base) &&
      (request.path.size() == base.size() || request.path[base.size()] == '/'))
    request.path.erase(0, base.size());
}

}  // namespace rushes::server
