// Foresight's published protocols: a chat about pictures over a WebSocket, whose answers are words and a video, and the
// predictions of its design document (docs/models/foresight_api.md).
#pragma once
#include "rushes/server/api/apis.h"

namespace rushes::server {

Api foresight_api();

}  // namespace rushes::server
