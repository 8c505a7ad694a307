// Routes that get all of the speech in one request: the video as a file, as HLS, or as single pictures.
#pragma once
#include "rushes/server/router.h"
#include "rushes/server/talk_table.h"

namespace rushes::server {

/// Both outlive the router; `talks` may be null.
void add_whole_file_routes(Router& router, TalkTable* talks, generation::TalkOptions::Mode mode);

}  // namespace rushes::server
