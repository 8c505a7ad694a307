#include "rushes/server/http/access.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

/// Takes the same time wherever the difference lies.
bool equal_secrets(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  return difference == 0;
}

bool is_token(const AccessOptions& options, std::string_view secret) {
  bool known = false;
  for (const std::string& token : options.tokens) known |= equal_secrets(secret, token);
  return known;
}

bool has_token(const AccessOptions& options, const Request& request) {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view header = request.header("authorization");
  if (starts_with_name(header, kBearer)) return is_token(options, trim(header.substr(kBearer.size())));
  // A WebSocket or a video element of a page cannot send headers.
  const auto query = request.query_value("token");
  return query && is_token(options, *query);
}

struct HostAndPort {
  std::string_view name, port;
};

/// Nothing: it is no host. "[::1]" keeps its brackets.
std::optional<HostAndPort> split_host(std::string_view host) {
  HostAndPort parts{host, {}};
  const std::size_t colon =
      host.starts_with('[') ? host.find(':', std::min(host.find(']'), host.size())) : host.find(':');
  if (colon != std::string_view::npos) {
    parts.name = host.substr(0, colon);
    parts.port = host.substr(colon + 1);
    if (parts.port.size() > 5 || parts.port.find_first_not_of("0123456789") != std::string_view::npos)
      return std::nullopt;
  }
  parts.name = without_final_dot(parts.name);
  return parts;
}

/// Of "https://Example.org.:443/page": "example.org", as a Host header has it.
std::string host_of_origin(std::string_view origin) {
  const std::size_t colon = origin.find("://");
  if (colon == std::string_view::npos) return {};
  const std::string scheme = lower_case(origin.substr(0, colon));
  origin.remove_prefix(colon + 3);
  std::string host = lower_case(origin.substr(0, origin.find_first_of("/?#")));
  const std::string_view usual = scheme == "https" ? ":443" : ":80";
  if (host.ends_with(usual)) host.resize(host.size() - usual.size());
  const auto parts = split_host(host);
  if (!parts || parts->port.empty()) return std::string(without_final_dot(host));
  return fmt::format("{}:{}", parts->name, parts->port);
}

/// "https://Example.org:443/" and "https://example.org" are one origin; "null" is one too.
std::string plain_origin(std::string_view origin) {
  const std::string host = host_of_origin(origin);
  return host.empty() ? lower_case(origin) : lower_case(origin.substr(0, origin.find("://"))) + "://" + host;
}

bool is_allowed_origin(const AccessOptions& options, std::string_view origin) {
  const std::string plain = plain_origin(origin);
  return std::any_of(options.allow_origins.begin(), options.allow_origins.end(),
                     [&](std::string_view allowed) { return allowed == "*" || plain_origin(allowed) == plain; });
}

bool same_origin(std::string_view origin, const Request& request) {
  const std::string host = host_of_origin(origin);
  const std::string_view scheme = origin.substr(0, std::min(origin.find("://"), origin.size()));
  const auto is_ours = [&](std::string_view ours) {
    return !host.empty() && !ours.empty() && host == host_of_origin(fmt::format("{}://{}", scheme, ours));
  };
  if (is_ours(request.header("host")) || is_ours(request.public_host)) return true;
  const auto parts = split_host(host);
  return request.lost_port && parts && equal_names(parts->name, without_final_dot(request.header("host")));
}

/// A page of another origin makes the request, as far as its browser says.
std::optional<std::string> foreign_page(const AccessOptions& options, const Request& request) {
  const std::string_view site = request.header("sec-fetch-site");
  // What the browser knows is not changed by a proxy in between that has another host or port. "none": the user.
  if (equal_names(site, "same-origin") || equal_names(site, "none")) return std::nullopt;
  std::string_view origin = request.header("origin");
  std::string of_page;
  if (origin.empty()) {  // an <img>, a link, a form that only gets
    const std::string_view page = request.header("referer");
    const std::size_t host = page.find("://");
    if (host != std::string_view::npos) origin = page.substr(0, page.find_first_of("/?#", host + 3));
    if (origin.empty() && site.empty()) return std::nullopt;  // not a browser
    if (origin.empty()) return "another site";
  }
  if (same_origin(origin, request) || is_allowed_origin(options, origin)) return std::nullopt;
  return std::string(origin.substr(0, 128));
}

}  // namespace

bool is_host(std::string_view host) {
  const auto parts = split_host(host);
  if (!parts) return false;
  if (parts->name.starts_with('[')) {
    boost::system::error_code error;
    net::ip::make_address_v6(std::string(parts->name.substr(1, parts->name.size() - 2)), error);
    return parts->name.ends_with(']') && !error;
  }
  // RFC 3986, 3.2.2: reg-name.
  constexpr std::string_view kAllowed = "-._~%!$&'()*+,;=";
  return std::all_of(parts->name.begin(), parts->name.end(), [&](unsigned char c) {
    return (c < 128 && std::isalnum(c)) || kAllowed.find(static_cast<char>(c)) != kAllowed.npos;
  });
}

bool is_loopback_host(std::string_view host) {
  const auto parts = split_host(host);
  if (!parts || !is_host(host)) return false;
  if (equal_names(parts->name, "localhost")) return true;
  std::string_view name = parts->name;
  if (name.starts_with('[')) name = name.substr(1, name.size() - 2);
  boost::system::error_code error;
  const auto address = net::ip::make_address(std::string(name), error);
  return !error && address.is_loopback();
}

void require_safe_address(const AccessOptions& options, const std::string& address, bool is_loopback) {
  for (const std::string& token : options.tokens)
    require(!token.empty(), ErrorCode::invalid_argument, "--token is empty; give at least one character");
  require(is_loopback || options.no_auth || !options.tokens.empty(), ErrorCode::invalid_argument,
          "--listen {} can be reached from other machines; give --token, or --no-auth if anyone is allowed to use the "
          "server",
          address);
}

std::optional<std::string> allowed_origin(const AccessOptions& options, const Request& request) {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !is_allowed_origin(options, origin)) return std::nullopt;
  return std::string(origin);
}

std::optional<Response> refuse(const AccessOptions& options, const Request& request, const Asked& asked) {
  const bool open_to_all = options.no_auth || !options.tokens.empty();
  const bool has_host = request.headers.contains("host");
  if (!open_to_all && has_host && !is_loopback_host(request.header("host")))
    return error_response(403, "forbidden",
                          fmt::format("the Host header '{}' is not a name of this machine; use http://127.0.0.1, or "
                                      "start the server with --token or --no-auth",
                                      request.header("host")));
  if (const auto page = asked.changes ? foreign_page(options, request) : std::nullopt)
    return error_response(403, "forbidden",
                          fmt::format("pages from {} are not allowed to call this server; allow them with "
                                      "--allow-origin, or let the proxy between send X-Forwarded-Host",
                                      *page));
  if (asked.needs_token && !options.tokens.empty() && !has_token(options, request)) {
    Response response = error_response(
        401, "unauthorized", "this server requires a token: send Authorization: Bearer TOKEN, or ?token=TOKEN");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  return std::nullopt;
}

}  // namespace rushes::server
