// IMTalker's stand-alone server: chunked sessions, their HLS, and whole files. Existing clients work unchanged.
#pragma once
#include "rushes/server/api/apis.h"

namespace rushes::server {

Api imtalker_api();

}  // namespace rushes::server
