#include "rushes/server/http/cors.h"

#include <algorithm>

#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

constexpr std::string_view kMethods = "GET, HEAD, POST, DELETE";
constexpr std::string_view kMaxAge = "7200";  // seconds; the most that browsers allow

/// Names of headers with commas between them, and nothing else: they are sent back.
bool is_list_of_names(std::string_view list) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~, \t";
  return std::all_of(list.begin(), list.end(), [&](unsigned char c) {
    return (c < 128 && std::isalnum(c)) || kToken.find(static_cast<char>(c)) != kToken.npos;
  });
}

}  // namespace

Response preflight(const AccessOptions& options, const Request& request, std::string_view methods) {
  Response response;
  response.status = 204;
  if (!methods.empty()) response.headers.emplace_back("Allow", methods);
  if (!allowed_origin(options, request)) return response;
  response.headers.emplace_back("Access-Control-Allow-Methods", kMethods);
  const std::string_view asked = request.header("access-control-request-headers");
  if (!asked.empty() && is_list_of_names(asked)) response.headers.emplace_back("Access-Control-Allow-Headers", asked);
  response.headers.emplace_back("Access-Control-Max-Age", kMaxAge);
  // A page of the internet that calls a server on its visitor's own machine asks for this as well.
  if (equal_names(request.header("access-control-request-private-network"), "true"))
    response.headers.emplace_back("Access-Control-Allow-Private-Network", "true");
  return response;
}

Headers cors_headers(const AccessOptions& options, const Request& request, const Response& response) {
  Headers headers;
  if (options.allow_origins.empty()) return headers;
  // Also where it is not allowed: a cache must not give that answer to a page that is.
  headers.emplace_back("Vary", request.method == "OPTIONS" ? "Origin, Access-Control-Request-Headers, "
                                                             "Access-Control-Request-Private-Network"
                                                           : "Origin");
  const auto origin = allowed_origin(options, request);
  if (!origin) return headers;
  headers.emplace_back("Access-Control-Allow-Origin", *origin);
  // No cookie means anything here, but some clients send what they have, and browsers ask for this then. Not where any
  // page may call.
  const auto& allowed = options.allow_origins;
  if (std::find(allowed.begin(), allowed.end(), "*") == allowed.end())
    headers.emplace_back("Access-Control-Allow-Credentials", "true");
  std::string exposed;
  for (const auto& [name, value] : response.headers)
    if (!starts_with_name(name, "Access-Control-")) exposed += (exposed.empty() ? "" : ", ") + name;
  if (!exposed.empty() && request.method != "OPTIONS") headers.emplace_back("Access-Control-Expose-Headers", exposed);
  return headers;
}

}  // namespace rushes::server
