// JSON from outside is looked through before it is parsed: a body of 24 MB can have eight million values.
#pragma once
#include <cstddef>
#include <string_view>

namespace rushes::server {

enum class EqualNames { allowed, refused };

/// Names in an object: where their order is kept, each is looked for in a row.
inline constexpr std::size_t kMostNames = 1000;

/// Throws Error(too_large) for more values, or names in an object, than any request has by far, and
/// Error(invalid_argument) for more levels, and for a name that stands twice in an object where that is refused. Stops
/// at what is not JSON: the parser tells of it.
void check_json(std::string_view text, EqualNames equal_names, std::size_t most_names = kMostNames);

}  // namespace rushes::server
