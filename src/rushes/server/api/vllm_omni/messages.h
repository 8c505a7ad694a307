// What clients say in vLLM-Omni's live dialect, parsed; and which chunk an interaction shows in. Plain values.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/generation/model.h"
#include "rushes/server/http/http.h"

namespace rushes::server {

struct ClientMessage {
  enum class Type { start, interaction, stop, ping } type;
  Json fields;
};

/// Throws Error(invalid_argument) for what is no JSON object with a `type` of the dialect.
ClientMessage parse_client_message(std::string_view text);

/// Of session.start. `extra_params` are other servers' and ignored. Throws as parse_session_request().
generation::Request parse_start(const Json& fields, const generation::Model& model, std::string_view name);

struct Interaction {
  std::string event_id, prompt;
};
/// Of session.interaction; one without event_id is named after `number`. Throws Error(invalid_argument).
Interaction parse_interaction(const Json& fields, int64_t number);

/// Interactions wait for the first chunk that was made under their prompt. Of several that wait the last one counts,
/// since the session takes over no other.
class PendingInteractions {
 public:
  void add(Interaction interaction) { waiting_.push_back(std::move(interaction)); }
  /// The id of the one that shows in a chunk made under `prompt`; it and those before it wait no more.
  std::optional<std::string> take(std::string_view prompt);

 private:
  std::deque<Interaction> waiting_;
};

}  // namespace rushes::server
