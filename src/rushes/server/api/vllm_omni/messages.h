// What clients say in vLLM-Omni's live dialect, parsed; and which chunk an interaction shows in. Plain values.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/generation/model.h"
#include "rushes/server/http/http.h"

namespace rushes::server {

struct ClientMessage {
  enum class Type { start, interaction, stop, ping, playback } type;
  Json fields;
};

/// Throws Error(invalid_argument) for what is no JSON object with a `type` of the dialect.
ClientMessage parse_client_message(std::string_view text);

/// Of session.start; of its fields, those that read_video_fields() has no use for are ignored, as that server drops
/// them. `admit`: of its picture, see media::decode_image(). Throws as parse_session_request().
generation::Request parse_start(const Json& fields, const generation::Model& model,
                                const std::function<void(int64_t bytes)>& admit = {});

struct Interaction {
  std::string event_id, prompt;
  std::vector<generation::Ignored> ignored = {};
};
/// Of session.interaction; one without event_id gets a random one. Throws Error(invalid_argument).
Interaction parse_interaction(const Json& fields);
/// Throws Error(invalid_argument) for a session.playback without a position.
void check_playback(const Json& fields);

/// Interactions wait for the first chunk that was made under their prompt. One that is followed by another before that
/// is superseded: it never starts, and is named as completed when the other one starts.
class PendingInteractions {
 public:
  /// Throws Error(conflict) for an event_id that was used before, as far as is remembered.
  void add(Interaction interaction);
  /// It could not be queued: its id may be used again.
  void withdraw();
  struct Shown {
    std::optional<std::string> started;
    std::vector<std::string> superseded;
  };
  /// What a chunk that was made under `prompt` ends the waiting of.
  Shown take(std::string_view prompt);

 private:
  std::deque<Interaction> waiting_;
  std::deque<std::string> used_;  // ids, the newest last
};

}  // namespace rushes::server
