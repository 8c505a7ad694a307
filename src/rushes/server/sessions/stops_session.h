// For who answers only when all of a video is made.
#pragma once
#include <memory>

#include "rushes/generation/session.h"

namespace rushes::server {

/// Stops a session that nobody waits for any more; one that has ended is left as it is.
class StopsSession {
 public:
  explicit StopsSession(std::shared_ptr<generation::Session> session) : session_(std::move(session)) {}
  ~StopsSession() { session_->stop("the client has disconnected", generation::EndReason::client_left); }
  StopsSession(const StopsSession&) = delete;
  StopsSession& operator=(const StopsSession&) = delete;

 private:
  const std::shared_ptr<generation::Session> session_;
};

}  // namespace rushes::server
