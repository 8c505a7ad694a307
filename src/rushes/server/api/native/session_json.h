// Sessions and their events as the JSON of the native API (docs/api.md).
#pragma once
#include "rushes/generation/stream.h"
#include "rushes/server/http/http.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// The session that the path names as {id}. Throws Error(invalid_argument) for what is no id, Error(not_found).
const Hosted& hosted_of(const SessionStore& sessions, const Request& request);
Json session_json(const Hosted& entry, const Request& request);
/// [{"field", "reason"}]
Json ignored_json(const std::vector<generation::Ignored>& ignored);
/// How the request's picture is used; null: it has none.
Json image_json(const std::optional<generation::ImageUse>& use);
Json event_json(const generation::StreamEvent& event);

}  // namespace rushes::server
