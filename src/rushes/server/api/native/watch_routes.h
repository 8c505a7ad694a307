// Routes of the native API for further ways to watch a session: HLS, the recording as a download, server-sent events,
// NDJSON, single pictures.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// `sessions` must outlive the router.
void add_watch_routes(Router& router, SessionStore& sessions);

}  // namespace rushes::server
