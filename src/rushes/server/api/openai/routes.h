// The OpenAI-style video API (/v1/videos), for the `openai` client library and what speaks like it. Every session is a
// video here and every video a session of the native API: "video_" and the session's id.
#pragma once
#include "rushes/server/http/router.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// `sessions` and `work`, in which large requests are read, must outlive the router.
void add_openai_routes(Router& router, SessionStore& sessions, WorkPool& work);

}  // namespace rushes::server
