// The models that the server may use: list, load, unload.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/session_table.h"

namespace rushes::server {

/// `sessions` must outlive the router.
void add_model_routes(Router& router, SessionTable& sessions);

}  // namespace rushes::server
