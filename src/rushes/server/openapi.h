// The OpenAPI 3.1 document that /openapi.json serves: of every route that the router has and that is described here. A
// test finds those that are not.
#pragma once
#include <string_view>

#include "rushes/server/http/router.h"

namespace rushes::server {

Json openapi_document(std::string_view version, const Router& router);

}  // namespace rushes::server
