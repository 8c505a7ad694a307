#include "rushes/text/white_space.h"

#include <unicode/uchar.h>

#include "rushes/text/utf8.h"

namespace rushes::text {

bool is_white_space(char32_t code_point) noexcept {
  return (code_point >= 0x1C && code_point <= 0x1F) || u_isUWhiteSpace(static_cast<UChar32>(code_point)) != 0;
}

std::u32string_view strip(std::u32string_view text) noexcept {
  while (!text.empty() && is_white_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_white_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string strip(std::string_view text) {
  const std::u32string points = to_code_points(text);
  return to_utf8(strip(std::u32string_view(points)));
}

std::u32string collapse_white_space(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : strip(text)) {
    if (!is_white_space(c)) {
      out.push_back(c);
    } else if (out.back() != U' ') {  // never empty here: the text was stripped
      out.push_back(U' ');
    }
  }
  return out;
}

}  // namespace rushes::text
