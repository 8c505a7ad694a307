// Calls by WebRTC as IMTalker's combined server (JSON) and its WebRTC bridge (a form) signal them: a portrait that is
// seen, heard and spoken to, until the connection ends.
#pragma once
#include <filesystem>

#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/api/native/webrtc_routes.h"
#include "rushes/server/http/router.h"

namespace rushes::server {

/// `talks` may be null; `examples` is a folder with portraits, or empty.
void add_call_routes(Router& router, imtalker::Heads* talks, WorkPool& work, const std::filesystem::path& examples,
                     const WebRtcLimits& limits);

}  // namespace rushes::server
