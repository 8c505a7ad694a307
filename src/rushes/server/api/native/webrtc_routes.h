// Watching a session by WebRTC, and speaking to one that takes speech: WHEP and WHIP (WebRTC-HTTP Egress and
// Ingestion Protocol), without trickled candidates.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace rushes::server {

class Router;
class SessionStore;
class WorkPool;

struct WebRtcLimits {
  std::vector<std::string> addresses{"127.0.0.1"};  // of this machine, that viewers are to send to; empty: all it has
  std::size_t viewers = 64;                         // of all sessions together, with speakers; more are answered 503
};

/// `sessions` and `work`, in which connections are made, must outlive the router.
void add_webrtc_routes(Router& router, SessionStore& sessions, WorkPool& work, const WebRtcLimits& limits);

}  // namespace rushes::server
