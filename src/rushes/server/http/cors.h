// Pages of other origins (CORS): what their browsers are told. Who may call at all is decided in access.h.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "rushes/server/http/access.h"
#include "rushes/server/http/http.h"

namespace rushes::server {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// The answer to OPTIONS; `methods`: of the path, where it is known. A page of an allowed origin may send every header
/// that it asks for.
Response preflight(const AccessOptions& options, const Request& request, std::string_view methods);

/// What any answer carries for pages of other origins; they may read all of its headers.
Headers cors_headers(const AccessOptions& options, const Request& request, const Response& response);

}  // namespace rushes::server
