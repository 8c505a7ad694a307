// The finished files of /api/audio-driven, and the portrait that a picture would give.
#pragma once
#include <filesystem>

#include "rushes/server/http/router.h"
#include "rushes/server/talk_table.h"

namespace rushes::server {

/// `talks` outlives the router, and may be null.
void add_output_routes(Router& router, TalkTable* talks, WorkPool& work);

}  // namespace rushes::server
