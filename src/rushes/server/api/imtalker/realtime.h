// The realtime WebSocket: speech in while it is spoken, pictures and the same speech out, every 40 ms.
#pragma once
#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/http/router.h"

namespace rushes::server {

/// They outlive the router; `talks` may be null.
void add_realtime_talk_routes(Router& router, imtalker::Heads* talks, WorkPool& work);

}  // namespace rushes::server
