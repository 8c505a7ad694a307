// From which block borders of a session forks may go on, and at what cost.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// Borders by the number of blocks before them.
struct Borders {
  int64_t least = 0, most = 0;
};

struct Forks {
  std::optional<Borders> all;             // nothing: there are none
  std::optional<Borders> kept;            // of these: nothing is made again
  std::optional<std::string> replayless;  // why blocks cannot be made again; nothing: they can
};

Forks forks_of(const Hosted& entry);

}  // namespace rushes::server
