// Whether there is room for a new session, and who goes when it needs some.
#include "rushes/base/count_of.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/server/http/retry_after.h"
#include "rushes/server/sessions/session_store.h"
#include "rushes/server/sessions/watched.h"

namespace rushes::server {

using generation::SessionId;
using generation::SessionState;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kPause{60};  // who says nothing for so long may have left

/// Rests, or will as soon as it has its turn: nobody has spoken to it.
bool waits_for_its_owner(const generation::Session& session) {
  const generation::SessionStatus status = session.status();
  const bool is_silent = session.format().speech_hz > 0 && status.speech_samples == 0 && status.blocks == 0;
  return rests(status.state) || (is_silent && !generation::ended(status.state));
}

}  // namespace

void SessionStore::require_room() {
  require(!draining_, ErrorCode::unavailable, "the server is shutting down and accepts no new sessions");
  if (!has_place())
    throw Busy(fmt::format("{} running or waiting, which is the limit; stop one or try again later (--max-sessions, "
                           "--max-queued)",
                           count_of(running(), "session", "is", "are")),
               models_->worker().seconds_to_next_end());
  const auto resting = [&] {
    return std::count_if(entries_.begin(), entries_.end(),
                         [](const Hosted& e) { return waits_for_its_owner(*e.session); });
  };
  while (resting() >= limits_.max_waiting)
    require(make_room_for_speech(), ErrorCode::exhausted,
            "{} paused or waiting for speech, which is the limit; stop one or try again later (--max-waiting)",
            count_of(resting(), "session", "is", "are"));
}

/// Ends the session that is missed least among those that wait for speech: one that nobody has ever spoken to, then one
/// that has said all, then one that is left in the middle of a sentence, and at last one that is watched, but was never
/// spoken to. False: there is none.
bool SessionStore::make_room_for_speech() {
  const auto now = Clock::now();
  const auto rank = [&](const Hosted& entry, const generation::SessionStatus& status) -> std::optional<int> {
    const bool is_silent = status.speech_samples == 0;
    if (is_watched(entry)) return is_silent && status.age >= kPause ? std::optional(3) : std::nullopt;
    if (is_silent) return 0;
    if (status.at_rest) return 1;
    return now - entry.used >= kPause ? std::optional(2) : std::nullopt;
  };
  const Hosted* least = nullptr;
  int least_rank = 0;
  for (const Hosted& entry : entries_) {
    const generation::SessionStatus status = entry.session->status();
    if (status.state != SessionState::waiting || entry.speech->listens()) continue;
    const auto ranked = rank(entry, status);
    if (!ranked || (least && std::pair(*ranked, entry.used) >= std::pair(least_rank, least->used))) continue;
    least = &entry;
    least_rank = *ranked;
  }
  if (!least) return false;
  displace(*least);
  return true;
}

void SessionStore::displace(const Hosted& entry) {
  ++displaced_;
  log::info("session {}: stopped to make room for a new session", entry.session->id().text());
  entry.session->stop("stopped to make room for a new session", generation::EndReason::displaced);
  if (entry.retention.removed && entry.session->status().blocks == 0) remove(SessionId(entry.session->id()));
}

void SessionStore::make_room_for_inputs() {
  require(
      has_made_room_for_inputs(), ErrorCode::exhausted,
      "pictures and speech of all sessions would have more than {} bytes, which is the limit; stop a session or try "
      "again later (--max-input-mib)",
      inputs_.most());
}

/// False: only sessions that are in use hold pictures and speech.
bool SessionStore::has_made_room_for_inputs() {
  for (const bool of_heads : {false, true})  // which begin anew with their pictures
    for (const Hosted& entry : entries_)
      if (entry.session->over() && entry.inputs->bytes() > 0 && entry.retention.removed == of_heads) {
        entry.session->forget_image();
        entry.lost_image = true;
        return entry.inputs->resize(0);
      }
  return make_room_for_speech();
}

}  // namespace rushes::server
