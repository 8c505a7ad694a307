// OmniAvatar's published servers: a video in segments by HTTP, and frame by frame over Socket.IO
// (docs/models/omniavatar_api.md).
#pragma once
#include "rushes/server/api/apis.h"

namespace rushes::server {

Api omniavatar_api();

}  // namespace rushes::server
