// The native API, the one of the page: docs/api.md describes it for clients.
#pragma once
#include "rushes/server/api/apis.h"

namespace rushes::server {

Api native_api();

}  // namespace rushes::server
