// JSON from outside is looked through before it is parsed: a body of 24 MB can have eight million values.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace rushes::server {

/// The text with U+FFFD for each escape of half a surrogate pair: browsers send "\ud800", JSON allows it, and it is no
/// character of Unicode, so that the parser takes it for a mistake. `kept` has the text where it is another one. To be
/// called before check_json(); positions stay the same.
std::string_view whole_characters(std::string_view text, std::string& kept);

enum class EqualNames { allowed, refused };

/// Names in an object: where their order is kept, each is looked for in a row.
inline constexpr std::size_t kMostNames = 1000;

/// Throws Error(too_large) for more values, or names in an object, than any request has by far, and
/// Error(invalid_argument) for more levels, and for a name that stands twice in an object where that is refused. Stops
/// at what is not JSON: the parser tells of it.
void check_json(std::string_view text, EqualNames equal_names, std::size_t most_names = kMostNames);

}  // namespace rushes::server
