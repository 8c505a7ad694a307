// White space as the reference's language (Python) understands it, for everything that must agree with it.
#pragma once
#include <string>
#include <string_view>

namespace rushes::text {

/// Unicode's White_Space and the four ASCII separators U+001C to U+001F.
bool is_white_space(char32_t code_point) noexcept;

/// Without the white space at both ends.
std::u32string_view strip(std::u32string_view text) noexcept;
std::string strip(std::string_view text);

/// Every run of white space as one space, none at the ends.
std::u32string collapse_white_space(std::u32string_view text);

}  // namespace rushes::text
