#include "rushes/server/http/access.h"

#include <algorithm>

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
  if (header.starts_with(kBearer)) return is_token(options, header.substr(kBearer.size()));
  // A WebSocket or a video element of a page cannot send headers.
  const auto query = request.query_value("token");
  return query && is_token(options, *query);
}

bool same_origin(std::string_view origin, std::string_view host) {
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && !host.empty() && origin.substr(scheme + 3) == host;
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  if (host.starts_with("[")) return host.substr(0, host.find(']') + 1) == "[::1]";
  const std::string_view name = host.substr(0, host.rfind(':'));
  if (name == "localhost") return true;
  return name.starts_with("127.") && std::count(name.begin(), name.end(), '.') == 3 &&
         name.find_first_not_of("0123456789.") == std::string_view::npos;
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
  const auto& allowed = options.allow_origins;
  const auto named = [&](std::string_view name) {
    return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
  };
  if (origin.empty() || !(named(origin) || named("*"))) return std::nullopt;
  return std::string(origin);
}

std::optional<Response> refuse(const AccessOptions& options, const Request& request, bool needs_token,
                               bool is_websocket) {
  const bool open_to_all = options.no_auth || !options.tokens.empty();
  if (!open_to_all && !is_loopback_host(request.header("host")))
    return error_response(403, "forbidden",
                          fmt::format("the Host header '{}' is not a name of this machine; use http://127.0.0.1, or "
                                      "start the server with --token or --no-auth",
                                      request.header("host")));
  const std::string_view origin = request.header("origin");
  const bool changes = is_websocket || request.method != "GET";
  if (changes && !origin.empty() && !same_origin(origin, request.header("host")) && !allowed_origin(options, request))
    return error_response(
        403, "forbidden",
        fmt::format("pages from {} are not allowed to call this server; allow them with --allow-origin", origin));
  if (needs_token && !options.tokens.empty() && !has_token(options, request)) {
    Response response = error_response(
        401, "unauthorized", "this server requires a token: send Authorization: Bearer TOKEN, or ?token=TOKEN");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  return std::nullopt;
}

}  // namespace rushes::server
