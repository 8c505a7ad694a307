// Repairs text that was UTF-8 and was read as something else ("cafÃ©"), as ftfy 6.3 does with its default settings:
// the rules of what looks wrong and the order of the attempts are those that its documentation and data describe.
#pragma once
#include <string>
#include <string_view>

namespace rushes::text {

/// Whether it holds a sequence that misread UTF-8 has and people do not write.
bool looks_like_mojibake(std::u32string_view text);

/// Undoes misreadings, also nested ones and lost bytes, until nothing changes. Text that looks right is left alone.
std::u32string fix_encoding(std::u32string text);

/// U+0080 to U+009F as the characters that Windows 1252 has there, as browsers read them.
std::u32string fix_c1_controls(std::u32string text);

}  // namespace rushes::text
