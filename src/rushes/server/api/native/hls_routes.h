// A session as HLS (RFC 8216).
#pragma once
#include "rushes/server/http/http.h"
#include "rushes/server/session_table.h"

namespace rushes::server {

Response get_hls(const SessionTable& sessions, const Request& request);

}  // namespace rushes::server
