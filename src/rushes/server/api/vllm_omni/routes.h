// The live dialect of vLLM-Omni's video output: WS /v1/realtime/video. One connection starts one session, steers it and
// gets its video as fragmented MP4, each piece announced by a JSON message.
#pragma once
#include "rushes/server/api/apis.h"

namespace rushes::server {

Api vllm_omni_api();

}  // namespace rushes::server
