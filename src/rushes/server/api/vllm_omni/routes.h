// The live dialect of vLLM-Omni's video output: WS /v1/realtime/video. One connection starts one session, steers it and
// gets its video as fragmented MP4, each piece announced by a JSON message.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// `sessions` must outlive the router.
void add_realtime_routes(Router& router, SessionStore& sessions, WorkPool& work);

}  // namespace rushes::server
