// The life of a session as an enumeration and the one function that says which change is allowed. Here too is what a
// session reports about itself on its stream.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/base/error.h"

namespace rushes::generation {

enum class SessionState {
  queued,    // has work, and waits for its first turn, or for another one after it gave up its place
  running,   // has work that can be done
  waiting,   // its generator needs input
  paused,    // by its owner
  finished,  // the video is complete
  stopped,   // ended early by its owner or by the server's end; what was made stays
  failed,
};
inline constexpr SessionState kSessionStates[] = {SessionState::queued, SessionState::running,  SessionState::waiting,
                                                  SessionState::paused, SessionState::finished, SessionState::stopped,
                                                  SessionState::failed};

/// The enumerator's own spelling, as in JSON and logs.
constexpr std::string_view name(SessionState state) {
  switch (state) {
    case SessionState::queued: return "queued";
    case SessionState::running: return "running";
    case SessionState::waiting: return "waiting";
    case SessionState::paused: return "paused";
    case SessionState::finished: return "finished";
    case SessionState::stopped: return "stopped";
    case SessionState::failed: return "failed";
  }
  return "?";
}

/// The state of that name(), if there is one.
constexpr std::optional<SessionState> state_named(std::string_view text) {
  for (const SessionState state : kSessionStates)
    if (name(state) == text) return state;
  return std::nullopt;
}

/// No more frames will come.
constexpr bool ended(SessionState state) {
  return state == SessionState::finished || state == SessionState::stopped || state == SessionState::failed;
}

/// The whole state machine. A state never follows itself, and nothing follows an end.
constexpr bool may_follow(SessionState from, SessionState to) {
  if (from == to || ended(from)) return false;
  switch (to) {
    case SessionState::queued: return from == SessionState::paused || from == SessionState::waiting;
    case SessionState::running: return true;
    case SessionState::waiting: return from == SessionState::running || from == SessionState::paused;
    case SessionState::paused: return true;
    case SessionState::finished: return from == SessionState::running;
    case SessionState::stopped: return true;
    case SessionState::failed: return true;
  }
  return false;
}

/// Why a session ended, as figures count it; `requested` to `shutdown` are those of `stopped`.
enum class EndReason {
  finished,
  failed,
  requested,    // by its owner
  client_left,  // whoever it was made for
  unused,       // for too long
  limit,        // of the length that the server allows
  displaced,    // by another one
  shutdown,     // of the server
};
inline constexpr EndReason kEndReasons[] = {EndReason::finished,    EndReason::failed,  EndReason::requested,
                                            EndReason::client_left, EndReason::unused,  EndReason::limit,
                                            EndReason::displaced,   EndReason::shutdown};

/// The enumerator's own spelling, as in logs and figures.
constexpr std::string_view name(EndReason reason) {
  switch (reason) {
    case EndReason::finished: return "finished";
    case EndReason::failed: return "failed";
    case EndReason::requested: return "requested";
    case EndReason::client_left: return "client_left";
    case EndReason::unused: return "unused";
    case EndReason::limit: return "limit";
    case EndReason::displaced: return "displaced";
    case EndReason::shutdown: return "shutdown";
  }
  return "?";
}

/// Why a session failed.
struct Failure {
  ErrorCode code = ErrorCode::internal;
  std::string message;
};

/// Where a session stands that waits for a place among those that may run.
struct QueuePlace {
  int64_t position = 1;          // 1: it is next
  std::optional<double> wait_s;  // expected; nothing: nobody can tell, as while endless videos run
};

/// What became of a session; the last event of a stream is one whose state has ended.
struct StateChanged {
  SessionState state = SessionState::queued;
  std::optional<Failure> failure;  // with `failed`
  std::string reason;              // with `stopped`: who or what ended it
};

}  // namespace rushes::generation
