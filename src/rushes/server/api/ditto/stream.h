// From start_streaming to writer_closed: files become a session, and its frames become messages.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <variant>

#include "rushes/server/api/apis.h"
#include "rushes/server/api/ditto/clients.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {
struct FrameStreamOptions;
}

namespace rushes::server::ditto {

/// Where a session's speech or source comes from: a file, or the bytes themselves as a data: address. monostate: speech
/// that comes while the session runs.
using Input = std::variant<std::monostate, std::filesystem::path, std::string>;

struct Inputs {
  Input speech, source;
};

/// What streams are made with. All of it outlives them.
struct Studio {
  SessionStore& sessions;
  WorkPool& work;
  const FrameStreamOptions& options;
};

/// Runs until all is told or `stream` is cancelled. What fails is told to the client. Throws nothing.
net::awaitable<void> stream_frames(Studio studio, std::shared_ptr<Client> client, std::shared_ptr<Streaming> stream,
                                   Start start, Inputs inputs);

/// Seconds since 1970.
double now();

}  // namespace rushes::server::ditto
