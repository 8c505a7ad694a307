// The native API: sessions and what is watched of them. docs/api.md describes it for clients.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// `sessions` and `work`, in which large requests are read, must outlive the router.
void add_native_routes(Router& router, SessionStore& sessions, WorkPool& work);

}  // namespace rushes::server
