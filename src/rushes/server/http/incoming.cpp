#include "rushes/server/http/incoming.h"

#include <boost/beast/websocket/rfc6455.hpp>

#include "rushes/server/http/access.h"
#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

namespace http = boost::beast::http;

/// "http://host/path" becomes "/path", with the host put into `host`; other targets stay as they are.
std::string_view origin_form(std::string_view target, std::string& host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_name(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::string_view authority = target.substr(0, target.find_first_of("/?"));
    host = std::string(authority);
    target.remove_prefix(authority.size());
    return target;
  }
  return target;
}

Response bad_request(std::string_view message) { return error_response(400, "invalid_argument", message); }

/// RFC 6455, 4.2.1: 16 bytes in base64.
bool is_websocket_key(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return text.size() == 24 && text.find_first_not_of(kAlphabet) == 22 && text.ends_with("==");
}

}  // namespace

Request read_header(const MessageHeader& message) {
  Request request;
  request.method = std::string(message.method_string());
  if (request.method == "HEAD") {
    request.method = "GET";
    request.head = true;
  }
  for (const auto& field : message) request.headers[lower_case(field.name_string())] = std::string(field.value());
  const std::string_view whole(message.target().data(), message.target().size());
  std::string host;
  const std::string_view target = origin_form(whole, host);
  if (target.size() != whole.size()) request.headers["host"] = std::move(host);
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (request.path.empty() && target.size() != whole.size()) request.path = "/";
  if (question != std::string_view::npos) request.query_text = target.substr(question + 1);
  return request;
}

std::optional<Response> refuse_message(const MessageHeader& message, const Request& request) {
  const auto count = [&](http::field name) { return message.count(name); };
  const bool is_old = message.version() < 11;
  if (count(http::field::host) > 1) return bad_request("there are several Host headers");
  if (!request.headers.contains("host")) {
    if (!is_old) return bad_request("the Host header is missing, which HTTP/1.1 requires");
  } else if (!is_host(request.header("host"))) {
    return bad_request(fmt::format("the Host header '{}' is not a name or an address with an optional port",
                                   request.header("host").substr(0, 128)));
  }
  if (!request.path.starts_with('/') && !(request.path == "*" && request.method == "OPTIONS"))
    return bad_request("the request's target must be a path that begins with '/'");
  if (count(http::field::transfer_encoding) > 0) {
    if (is_old) return bad_request("HTTP/1.0 has no Transfer-Encoding; send a Content-Length");
    if (count(http::field::content_length) > 0)
      return bad_request("a body has either a Content-Length or a Transfer-Encoding, not both");
    const std::string_view coding = trim(request.header("transfer-encoding"));
    if (count(http::field::transfer_encoding) > 1 || !equal_names(coding, "chunked"))
      return error_response(501, "unsupported", "the only supported Transfer-Encoding is chunked");
  }
  if (boost::beast::websocket::is_upgrade(message) && !is_websocket_key(request.header("sec-websocket-key")))
    return bad_request("Sec-WebSocket-Key must be 16 bytes in base64");
  for (std::string_view list = request.header("content-encoding"); !list.empty();) {
    const std::string_view coding = take_element(list);
    if (coding.empty() || equal_names(coding, "identity")) continue;
    Response response = error_response(
        415, "unsupported",
        fmt::format("bodies in the content coding '{}' are not read; send the body as it is", coding.substr(0, 64)));
    response.headers.emplace_back("Accept-Encoding", "identity");
    return response;
  }
  return std::nullopt;
}

}  // namespace rushes::server
