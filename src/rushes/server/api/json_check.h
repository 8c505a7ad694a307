// JSON from outside is looked through before it is parsed: a body of 24 MB can have eight million values.
#pragma once
#include <string_view>

namespace rushes::server {

enum class EqualNames { allowed, refused };

/// Throws Error(too_large) for more values, or names in an object, than any request has by far, and
/// Error(invalid_argument) for a name that stands twice in an object where that is refused. Stops at what is not JSON:
/// the parser tells of it.
void check_json(std::string_view text, EqualNames equal_names);

}  // namespace rushes::server
