// Watching a session by WebRTC, and speaking to one that takes speech: WHEP and WHIP (WebRTC-HTTP Egress and
// Ingestion Protocol), without trickled candidates.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "rushes/media/webrtc_peer.h"
#include "rushes/server/http/counted.h"

namespace rushes::server {

class Router;
class SessionStore;
class WorkPool;

struct WebRtcLimits {
  std::vector<std::string> addresses{"127.0.0.1"};  // of this machine, that viewers are to send to; empty: all it has
  std::size_t viewers = 64;                         // of all sessions together, with speakers; more are answered 503
  std::size_t sources = 8;  // of RTP that a peer may send; packets of others are dropped, before they cost anything

  /// What all peers share.
  struct Use {
    int64_t connecting = 0;  // the server's thread only
    std::shared_ptr<std::atomic<int64_t>> dropped_packets = std::make_shared<std::atomic<int64_t>>(0);
  };
  std::shared_ptr<Use> use = std::make_shared<Use>();

  /// For a peer whose microphone is heard at so many Hz; 0: it is not.
  media::WebRtcPeer::Options peer(int64_t microphone_hz = 0) const {
    return {.local_addresses = addresses,
            .microphone_hz = microphone_hz,
            .max_sources = sources,
            .dropped_packets = use->dropped_packets};
  }
  /// Counts one more from now on, until the result ends: to be held until `connected` has it. Throws Error(unavailable)
  /// at the limit.
  Counted connect(std::size_t connected) const;
};

/// `sessions` and `work`, in which connections are made, must outlive the router.
void add_webrtc_routes(Router& router, SessionStore& sessions, WorkPool& work, const WebRtcLimits& limits);

}  // namespace rushes::server
