// What the page asks about talking heads: whether this server makes them, and portraits and speech to try.
#pragma once
#include <filesystem>

#include "rushes/server/http/router.h"
#include "rushes/server/talk_table.h"

namespace rushes::server {

/// `talks` is null where there is no talking-head model; `examples` a folder of pictures and sound files, or empty.
/// Both outlive the router.
void add_talk_routes(Router& router, const TalkTable* talks, const std::filesystem::path& examples);

}  // namespace rushes::server
