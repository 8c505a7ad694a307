// The OpenAI-style video API (/v1/videos), for the `openai` client library and what speaks like it. Every session is a
// video here and every video a session of the native API: "video_" and the session's id.
#pragma once
#include "rushes/server/api/apis.h"

namespace rushes::server {

Api openai_api();

}  // namespace rushes::server
