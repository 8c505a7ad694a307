// Whether anybody follows a session, and whether it goes on by itself.
#pragma once
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// By a viewer, or by something that it is sent to.
inline bool is_watched(const Hosted& entry) { return entry.video->status().viewers > 0 || !entry.sinks->idle(); }

/// Needs nothing of the device, until its owner does something.
inline bool rests(generation::SessionState state) {
  return state == generation::SessionState::paused || state == generation::SessionState::waiting;
}

}  // namespace rushes::server
