#include "rushes/generation/request.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/text/prompt.h"
#include "rushes/text/utf8.h"

namespace rushes::generation {

int64_t input_bytes(const Request& request) {
  const int64_t picture = request.image ? request.image->width * request.image->height * 3 : 0;
  return picture + (request.video ? request.video->bytes() : 0);
}

void check_prompt(std::string_view prompt, std::string_view field) {
  require(prompt.size() <= text::kMaxPromptBytes, ErrorCode::too_large, "{} is {} bytes; the limit is {}", field,
          prompt.size(), text::kMaxPromptBytes);
  require(prompt.find_first_not_of(" \t\r\n\v\f") != std::string_view::npos, ErrorCode::invalid_argument,
          "{} must not be empty", field);
  require(prompt.find('\0') == std::string_view::npos, ErrorCode::invalid_argument,
          "{} must not contain NUL characters", field);
  text::require_utf8(prompt, field);
}

void check_prompts(const std::vector<std::string>& prompts) {
  require(!prompts.empty(), ErrorCode::invalid_argument, "prompts must have at least one prompt");
  require(prompts.size() <= kMaxPrompts, ErrorCode::invalid_argument, "prompts has {} prompts; the limit is {}",
          prompts.size(), kMaxPrompts);
  for (std::size_t i = 0; i < prompts.size(); ++i)
    check_prompt(prompts[i], prompts.size() == 1 ? "prompt" : fmt::format("prompts[{}]", i));
}

}  // namespace rushes::generation
