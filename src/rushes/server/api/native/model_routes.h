// The models that the server may use: list, load, unload.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// `sessions` must outlive the router.
void add_model_routes(Router& router, SessionStore& sessions);

}  // namespace rushes::server
