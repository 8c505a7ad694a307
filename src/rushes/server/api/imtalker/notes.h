// What whoever sent a request should know beside its answer: what of it has no effect, which face talks, and what is
// wrong with the speech.
#pragma once
#include <string>
#include <vector>

#include "rushes/generation/session.h"
#include "rushes/server/http/http.h"

namespace rushes::server::imtalker {

struct Notes {
  std::vector<generation::Ignored> ignored;
  std::optional<generation::ImageUse> image;
  std::vector<std::string> warnings;
};

Notes notes_of(const generation::Session& session);
/// Those of a session that is yet to begin.
Notes notes_of(const generation::Request& request, const generation::Plan& plan, std::vector<std::string> warnings);

/// In a JSON answer as `ignored`, `face`, `faces`, `image` (of a first frame, not of a portrait) and `warnings`, beside
/// anything else in the headers X-Ignored-Fields and X-Notes; nothing where there is nothing to tell.
void add_notes(Json& answer, const Notes& notes);
void add_notes(Response& response, const Notes& notes);

}  // namespace rushes::server::imtalker
