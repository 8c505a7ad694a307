// Pushing a session's video to RTMP servers.
#pragma once
#include <string>
#include <vector>

#include "rushes/server/http/router.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// `allowed_hosts`: names and addresses that may be pushed to, "*" for any; this machine always. `sessions` must
/// outlive the router.
void add_rtmp_routes(Router& router, SessionStore& sessions, std::vector<std::string> allowed_hosts);

}  // namespace rushes::server
