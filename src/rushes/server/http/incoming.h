// From a message of HTTP to a Request: what the wire leaves open is decided here (RFC 9110 and 9112).
#pragma once
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <optional>

#include "rushes/server/http/http.h"

namespace rushes::server {

using MessageHeader = boost::beast::http::request_header<>;

/// Everything but the body. A target in absolute form gives the path, and the Host header of the request.
Request read_header(const MessageHeader& message);

/// The answer to a message that cannot be served whatever its route is; nothing if it can. The connection must end
/// with it.
///   400  no Host or several, one that is not a host, a target that is not a path, two lengths of the body, a
///        WebSocket's key that is none
///   415  a body in a content coding
///   501  a transfer coding other than chunked, so that nobody knows where the body ends
std::optional<Response> refuse_message(const MessageHeader& message, const Request& request);

}  // namespace rushes::server
