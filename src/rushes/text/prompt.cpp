#include "rushes/text/prompt.h"

#include <unicode/uchar.h>

#include "rushes/base/error.h"
#include "rushes/text/utf8.h"
#include "rushes/text/white_space.h"

namespace rushes::text {
namespace {

constexpr size_t kNameCharacters = 50;

bool stays_in_name(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  return c == U' ' || c == U'_' || c == U'-' || (U_GET_GC_MASK(code) & U_GC_L_MASK) != 0 ||
         u_getIntPropertyValue(code, UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

std::string name_of(std::string_view prompt) {
  std::u32string points = to_code_points(prompt);
  points.resize(std::min(points.size(), kNameCharacters));
  for (char32_t& c : points)
    if (!stays_in_name(c)) c = U'_';
  std::u32string_view name(points);
  while (name.starts_with(U'_')) name.remove_prefix(1);
  while (name.ends_with(U'_')) name.remove_suffix(1);
  return to_utf8(name);
}

}  // namespace

void require_prompt(std::string_view prompt) {
  require(prompt.size() <= kMaxPromptBytes, ErrorCode::too_large, "the prompt has {} bytes; at most {} are allowed",
          prompt.size(), kMaxPromptBytes);
  require_utf8(prompt, "the prompt");
}

std::vector<std::string> split_prompts(std::string_view list) {
  require_utf8(list, "the prompt list");
  std::vector<std::string> prompts;
  while (true) {
    const size_t end = list.find(';');
    if (std::string prompt = strip(list.substr(0, end)); !prompt.empty()) prompts.push_back(std::move(prompt));
    if (end == std::string_view::npos) return prompts;
    list.remove_prefix(end + 1);
  }
}

std::string output_file_name(const OutputName& name) {
  const std::string stem = name.save_with_index ? std::to_string(name.prompt_index) : name_of(name.prompt);
  return fmt::format("{}-{}_{}.mp4", stem, name.sample_index, name.use_ema ? "ema" : "regular");
}

}  // namespace rushes::text
