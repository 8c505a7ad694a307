// What is kept on disk: the recordings of this process and of those before.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/session_table.h"

namespace rushes::server {

/// `sessions` must outlive the router.
void add_recording_routes(Router& router, SessionTable& sessions);

}  // namespace rushes::server
