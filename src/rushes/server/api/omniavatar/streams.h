// Routes whose answer is the video of a request: in segments while it is made, or whole.
#pragma once
#include <memory>

#include "rushes/server/api/omniavatar/studio.h"
#include "rushes/server/http/router.h"

namespace rushes::server::omniavatar {

/// /generate-stream, /generate-stream-chunked, /generate and /video/...
void add_stream_routes(Router& router, const std::shared_ptr<Studio>& studio);

}  // namespace rushes::server::omniavatar
