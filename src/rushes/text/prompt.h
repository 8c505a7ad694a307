// Prompts as people give them: one text that may hold several, what is allowed, and the file names made from them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::text {

/// Longest prompt. The text encoder reads 512 tokens, about 2,000 characters; what is longer would be cut in silence
/// by the tokenizer, and what is much longer is a mistake or an attack.
inline constexpr size_t kMaxPromptBytes = 8 * 1024;

/// Throws Error(too_large) with the limit, or Error(invalid_argument) if it is not UTF-8. An empty prompt is allowed.
void require_prompt(std::string_view prompt);

/// all_separate: as the reference takes them, which its golden cases expect; nothing is escaped then. Source: Inferix,
/// --prompt of run_self_forcing.
enum class Semicolons { as_written, all_separate };

/// The prompts that a line of text has: what stands between semicolons (';' only), stripped of white space, without the
/// empty ones; may be none. A semicolon is part of its prompt in "\;" (the backslash goes; "\\;" is a backslash before
/// a separator), in quotes ("...", '...' around words, “...”), and where it ends an HTML reference (&amp;). Throws
/// Error(invalid_argument) if `line` is not UTF-8.
std::vector<std::string> prompts_of_line(std::string_view line, Semicolons semicolons = Semicolons::as_written);

struct OutputName {
  std::string_view prompt;
  int64_t prompt_index = 0, sample_index = 0;
  bool use_ema = false;
  bool save_with_index = false;  // the prompt's number instead of its words
};

/// "{prompt}-{sample}_{ema|regular}.mp4": the prompt's first 50 characters, all but letters, digits, spaces, '_' and
/// '-' as '_', without '_' at the ends. So it names no other folder. Source: Inferix, run_self_forcing.
std::string output_file_name(const OutputName& name);

}  // namespace rushes::text
