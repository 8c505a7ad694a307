// What is kept on disk: the recordings of this process and of those before.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// `sessions` must outlive the router.
void add_recording_routes(Router& router, SessionStore& sessions);

}  // namespace rushes::server
