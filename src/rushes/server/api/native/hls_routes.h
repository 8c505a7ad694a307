// A session as HLS (RFC 8216).
#pragma once
#include "rushes/server/http/http.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

Response get_hls(const SessionStore& sessions, const Request& request);

}  // namespace rushes::server
