#include "prompt_options.h"

#include <fmt/format.h>

#include <utility>

#include "rushes/base/error.h"
#include "rushes/text/prompt.h"
#include "rushes/text/prompt_arguments.h"
#include "terminal.h"

namespace rushes::app {
namespace {

void add_lines(PromptArguments& prompts, std::span<const std::string> words) {
  std::vector<std::string> lines = text::lines_of_arguments(words);
  prompts.joined = prompts.joined || lines.size() < words.size();
  for (std::string& line : lines) prompts.lines.push_back(std::move(line));
}

}  // namespace

CLI::Option* add_prompt_options(CLI::App& command, PromptArguments& prompts, const std::string& flags,
                                const std::string& doc, bool by_position) {
  if (by_position) command.add_option("PROMPT", prompts.words, doc);
  return command
      .add_option_function<std::vector<std::string>>(
          flags, [&prompts](const std::vector<std::string>& words) { add_lines(prompts, words); },
          by_position ? "the same; repeatable" : doc)
      ->trigger_on_parse();  // each time by itself: where one ends is where the next one begins
}

std::vector<std::string> prompts_of(PromptArguments& arguments) {
  constexpr std::size_t kMost = 64 << 10;  // beyond this it is a file given by mistake
  std::vector<std::string> by_flag = std::exchange(arguments.lines, {});
  add_lines(arguments, arguments.words);
  arguments.words.clear();
  arguments.lines.insert(arguments.lines.end(), by_flag.begin(), by_flag.end());
  std::vector<std::string> prompts;
  for (const std::string& line : arguments.lines) {
    require(line.size() <= kMost, ErrorCode::invalid_argument, "prompt has {} bytes; at most {} are allowed",
            line.size(), kMost);
    for (std::string& prompt : text::prompts_of_line(line)) prompts.push_back(std::move(prompt));
  }
  require(!prompts.empty(), ErrorCode::invalid_argument,
          "prompt is empty; describe the video, e.g. \"a red circle moves right\"");
  return prompts;
}

void print_prompts(const PromptArguments& arguments, const std::vector<std::string>& prompts) {
  if (prompts.size() < 2 && !arguments.joined) return;
  std::string all;
  for (const std::string& prompt : prompts) all += fmt::format("{}\"{}\"", all.empty() ? "" : ", then ", prompt);
  say("prompt{}: {}{}\n", prompts.size() == 1 ? "" : "s", all,
      prompts.size() == 1 ? " (words without quotes are one prompt; several are \"A\" \"B B\" or \"A; B\")"
                          : " (one for each segment)");
}

}  // namespace rushes::app
