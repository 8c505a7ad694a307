// The table behind html.h.
#pragma once
#include <string_view>

namespace rushes::text {

/// "name=points " for each name, '*' for '=' where browsers read the name without its ';' too; points are one or two
/// hexadecimal code points with a comma between them.
extern const std::string_view kHtmlEntities;

}  // namespace rushes::text
