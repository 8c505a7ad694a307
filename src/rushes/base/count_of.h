// Numbers of things in messages.
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace rushes {

/// "1 session is", "2 sessions are".
inline std::string count_of(int64_t count, std::string_view noun, std::string_view one = {},
                            std::string_view more = {}) {
  const bool is_one = count == 1;
  const std::string_view verb = is_one ? one : more;
  return fmt::format("{} {}{}{}{}", count, noun, is_one ? "" : "s", verb.empty() ? "" : " ", verb);
}

}  // namespace rushes
