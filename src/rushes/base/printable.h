// Text from outside in messages: what is no UTF-8 or would move a terminal's cursor is escaped.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace rushes {

constexpr bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

/// Length of the well-formed UTF-8 sequence that `text`, which is not empty, begins with (Unicode 15, table 3-7); 0 if
/// there is none.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);

/// Text from a file as it may stand in a message or on a terminal: control characters escaped, at most 120 bytes.
std::string printable(std::string_view text);

}  // namespace rushes
