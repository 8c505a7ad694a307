// What IMTalker's combined server (port 8000) has beyond the stand-alone one: other names of the same answers, avatars,
// and speech from text, where espeak-ng is installed.
#pragma once
#include <filesystem>

#include "rushes/server/api/imtalker/heads.h"
#include "rushes/server/http/router.h"

namespace rushes::server {

/// `talks` may be null; `examples` is a folder with portraits, or empty. All outlive the router.
void add_combined_routes(Router& router, imtalker::Heads* talks, WorkPool& work, const std::filesystem::path& examples);

}  // namespace rushes::server
