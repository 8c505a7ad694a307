// Whether anybody follows a session.
#pragma once
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// By a viewer, or by something that it is sent to.
inline bool is_watched(const Hosted& entry) { return entry.video->status().viewers > 0 || !entry.sinks->idle(); }

}  // namespace rushes::server
