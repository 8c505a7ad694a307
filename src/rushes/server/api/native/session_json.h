// Sessions and their events as the JSON of the native API (docs/api.md).
#pragma once
#include "rushes/generation/stream.h"
#include "rushes/server/http/http.h"
#include "rushes/server/session_table.h"

namespace rushes::server {

Json session_json(const Entry& entry);
Json event_json(const generation::StreamEvent& event);

}  // namespace rushes::server
