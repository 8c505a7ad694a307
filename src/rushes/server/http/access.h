// Who may call: tokens, and the checks that keep foreign web pages from using a server on the visitor's own machine.
#pragma once
#include <string>
#include <vector>

#include "rushes/server/http/http.h"
#include "rushes/server/http/options.h"

namespace rushes::server {

/// Throws Error(invalid_argument) if `address` (not loopback) would be open to everybody without that being asked for.
void require_safe_address(const AccessOptions& options, const std::string& address, bool is_loopback);

/// What a request is about to do.
struct Asked {
  bool needs_token = true;
  bool changes = false;  // more than reading: a method other than GET, a WebSocket, a GET that starts work
};

/// The answer that refuses the request; nothing if it may go on.
///   401  a token is required and the request has none or another (Authorization: Bearer, or ?token=)
///   403  a page of another origin makes a request that changes something. Origin says so, or Sec-Fetch-Site or Referer
///        where a browser sends no Origin (an <img>, a link)
///   403  no token protects the server, and the Host header names no address of this machine: a foreign page that
///        has pointed its own name here (DNS rebinding). A request of HTTP/1.0 without Host is not from a browser.
std::optional<Response> refuse(const AccessOptions& options, const Request& request, const Asked& asked);

/// The request's Origin if that is an allowed foreign one, for Access-Control-Allow-Origin.
std::optional<std::string> allowed_origin(const AccessOptions& options, const Request& request);

/// "example.org." is the name "example.org", said to be whole (RFC 3986, 3.2.2); "[::1]." is no name.
constexpr std::string_view without_final_dot(std::string_view name) {
  if (name.size() > 1 && name.ends_with('.') && !name.ends_with("].")) name.remove_suffix(1);
  return name;
}

/// A name or an address, possibly with a port, and nothing else.
bool is_host(std::string_view host);

/// Host, possibly with a port, names this machine: localhost, 127.x.y.z or [::1].
bool is_loopback_host(std::string_view host);

}  // namespace rushes::server
