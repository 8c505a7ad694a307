// An API of one route, as a published system would have it: POST /sketch.
#pragma once
#include "rushes/server/api/apis.h"

namespace rushes::server {

Api sketch_api();

}  // namespace rushes::server
