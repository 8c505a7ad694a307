// Sessions and their events as the JSON of the native API (docs/api.md).
#pragma once
#include "rushes/generation/stream.h"
#include "rushes/server/http/http.h"
#include "rushes/server/session_table.h"

namespace rushes::server {

/// The session that the path names as {id}. Throws Error(invalid_argument) for what is no id, Error(not_found).
const Entry& entry_of(const SessionTable& sessions, const Request& request);
Json session_json(const Entry& entry);
Json event_json(const generation::StreamEvent& event);

}  // namespace rushes::server
