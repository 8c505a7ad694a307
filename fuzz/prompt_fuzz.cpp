// Any bytes as a prompt are cleaned to UTF-8 that cleaning again does not break, or are an Error.
#include <cstdlib>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/text/clean.h"
#include "rushes/text/prompt.h"
#include "rushes/text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  using rushes::text::Cleaning;
  try {
    rushes::text::require_prompt(input);
    for (const Cleaning mode : {Cleaning::basic, Cleaning::whitespace, Cleaning::lower, Cleaning::canonicalize})
      if (rushes::text::find_invalid_utf8(rushes::text::clean(input, mode))) std::abort();
    for (const auto& prompt : rushes::text::prompts_of_line(input)) {
      const auto name = rushes::text::output_file_name({.prompt = prompt});
      if (name.find_first_of(std::string_view("/\\\0", 3)) != name.npos) std::abort();
    }
  } catch (const rushes::Error&) {}
  return 0;
}
