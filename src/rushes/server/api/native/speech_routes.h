// Speech for a session while it runs: pieces by POST, a stream by WebSocket.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// Both outlive the router.
void add_speech_routes(Router& router, SessionStore& sessions, WorkPool& work);

}  // namespace rushes::server
