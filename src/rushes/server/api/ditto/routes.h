// Ditto's published server: frames of a talking head over a WebSocket (docs/models/ditto.md).
#pragma once
#include "rushes/server/api/apis.h"

namespace rushes::server {

Api ditto_api();

}  // namespace rushes::server
