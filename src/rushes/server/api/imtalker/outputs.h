// The finished files of /api/audio-driven, and the portrait that a picture would give.
#pragma once
#include <filesystem>

#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/http/router.h"

namespace rushes::server {

/// `talks` outlives the router, and may be null.
void add_output_routes(Router& router, imtalker::Heads* talks, WorkPool& work);

}  // namespace rushes::server
