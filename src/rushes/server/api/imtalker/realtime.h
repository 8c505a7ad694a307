// The realtime WebSocket: speech in while it is spoken, pictures and the same speech out, every 40 ms.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/talk_table.h"

namespace rushes::server {

/// They outlive the router; `talks` may be null.
void add_realtime_talk_routes(Router& router, TalkTable* talks, WorkPool& work);

}  // namespace rushes::server
