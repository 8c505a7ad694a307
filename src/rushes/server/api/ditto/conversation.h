// One WebSocket of a client: what it says takes effect, and what there is to tell goes out.
#pragma once
#include <memory>
#include <string>

#include "rushes/server/api/ditto/clients.h"
#include "rushes/server/api/ditto/files.h"
#include "rushes/server/api/ditto/stream.h"

namespace rushes::server::ditto {

/// Until the client leaves, or says what is no message. `with_audio`: of all that it starts.
net::awaitable<void> converse(Studio studio, const ServedFiles& files, Clients& clients, std::string id,
                              bool with_audio, WebSocket& socket);

}  // namespace rushes::server::ditto
