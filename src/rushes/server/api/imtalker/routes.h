// IMTalker's stand-alone server: chunked sessions, their HLS, and whole files. Existing clients work unchanged.
#pragma once
#include <filesystem>

#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/api/native/webrtc_routes.h"
#include "rushes/server/http/router.h"
#include "rushes/server/http/work_pool.h"

namespace rushes::server {

/// How talking heads are made when a request does not say (field `mode`).
struct TalkRouteOptions {
  std::string mode = "aligned";
  std::filesystem::path examples = {};  // a folder with portraits; empty: none
  WebRtcLimits webrtc = {};
};

/// `talks` null: there is no talking-head model, and all of it is answered 503. All outlive the router.
void add_imtalker_routes(Router& router, imtalker::Heads* talks, WorkPool& work, TalkRouteOptions options = {});

}  // namespace rushes::server
