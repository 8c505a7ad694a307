# Run by the build: writes OUTPUT, a header with the text of INPUT, an openapi.json.
file(READ "${INPUT}" json)
file(WRITE "${OUTPUT}" "// Made by the build.
#pragma once
#include <string_view>

namespace rushes::server {

// static: each API has one of this name.
static constexpr std::string_view kOpenApi = R\"json(${json})json\";

}  // namespace rushes::server
")
