// Prompts as arguments of a command: words, quoted or not, and values of --prompt.
#pragma once
#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace rushes::app {

/// What was given; all must outlive the parsing.
struct PromptArguments {
  std::vector<std::string> words;  // by their position
  std::vector<std::string> lines;  // of --prompt
  bool joined = false;             // a line was made of several words

  bool empty() const { return words.empty() && lines.empty(); }
};

/// `flags` (--prompt, -p) may be given several times, and each takes the words that follow it; with `by_position` there
/// are words without a flag, too, which come first.
CLI::Option* add_prompt_options(CLI::App& command, PromptArguments& prompts, const std::string& flags,
                                const std::string& doc, bool by_position);

/// The prompts that a command line has: text::lines_of_arguments(), each as text::prompts_of_line(). Throws
/// Error(invalid_argument).
std::vector<std::string> prompts_of(PromptArguments& arguments);

/// A line on standard error, if there are several prompts, or words were joined: what was understood.
void print_prompts(const PromptArguments& arguments, const std::vector<std::string>& prompts);

}  // namespace rushes::app
