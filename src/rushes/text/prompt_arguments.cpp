#include "rushes/text/prompt_arguments.h"

#include <unicode/uscript.h>

#include <algorithm>

#include "rushes/text/utf8.h"
#include "rushes/text/white_space.h"

namespace rushes::text {
namespace {

bool is_without_spaces(char32_t c) {
  UErrorCode error = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(static_cast<UChar32>(c), &error);
  return U_SUCCESS(error) && uscript_breaksBetweenLetters(script);
}

/// What a shell leaves of an unquoted sentence.
bool is_word(const std::string& argument) {
  const std::u32string points = to_code_points(argument);
  return std::none_of(points.begin(), points.end(),
                      [](char32_t c) { return is_white_space(c) || is_without_spaces(c); });
}

}  // namespace

std::vector<std::string> lines_of_arguments(std::span<const std::string> arguments) {
  std::vector<std::string> lines;
  bool in_words = false;
  for (const std::string& argument : arguments) {
    require_utf8(argument, "the prompt");
    const bool word = is_word(argument);
    if (word && in_words)
      lines.back() += " " + argument;
    else
      lines.push_back(argument);
    in_words = word;
  }
  return lines;
}

}  // namespace rushes::text
