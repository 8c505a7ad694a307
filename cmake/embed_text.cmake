# Run by the build: writes OUTPUT, a header with the text of the file INPUT as the constant NAME.
file(READ "${INPUT}" text)
file(WRITE "${OUTPUT}" "// Made by the build.
#pragma once
#include <string_view>

namespace rushes::server {

// static: each API has an openapi.json.
static constexpr std::string_view ${NAME} = R\"text(${text})text\";

}  // namespace rushes::server
")
