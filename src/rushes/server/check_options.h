// What is wrong with the settings of a server, told before its models are loaded, which may take minutes.
#pragma once
#include "rushes/server/server.h"

namespace rushes::server {

/// Throws Error(invalid_argument) for an origin, a host, an address or a folder that nothing could come of. Addresses
/// to listen at and proxies are checked where they are read.
void check_options(const ServerOptions& options);

}  // namespace rushes::server
