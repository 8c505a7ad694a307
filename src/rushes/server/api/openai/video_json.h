// Sessions and errors as the OpenAI-style video API writes them.
#pragma once
#include "rushes/server/http/http.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

std::string video_id(const generation::SessionId& id);
/// Throws Error(not_found) for what cannot be an id.
generation::SessionId parse_video_id(std::string_view text);

Json video_json(const Hosted& entry);
/// {"error": {"message", "type", "param", "code"}} with the status of the code.
Response openai_error(const Error& error);

}  // namespace rushes::server
