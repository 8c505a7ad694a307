// Names of protocols are compared without regard to case (RFC 9110): ASCII only, whatever the locale.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

namespace rushes::server {

constexpr char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = lower_case(c);
  return lower;
}

inline bool equal_names(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_case(x) == lower_case(y); });
}

inline bool starts_with_name(std::string_view text, std::string_view name) {
  return equal_names(text.substr(0, name.size()), name);
}

/// Without the blanks and tabs around it.
inline std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const std::size_t first = text.find_first_not_of(kSpace);
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// Takes the next element off the front of a list with commas, which ends when `list` is empty.
inline std::string_view take_element(std::string_view& list) {
  const std::string_view element = list.substr(0, list.find(','));
  list.remove_prefix(std::min(list.size(), element.size() + 1));
  return trim(element);
}

}  // namespace rushes::server
