#include "rushes/text/prompt.h"

#include <unicode/uchar.h>

#include <array>

#include "rushes/base/error.h"
#include "rushes/text/html.h"
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

/// Bytes of the HTML reference that `text` begins with, its ';' included; 0: there is none.
size_t html_reference(std::string_view text) {
  constexpr size_t kLongest = 40;
  if (!text.starts_with('&')) return 0;
  const size_t end = text.substr(0, kLongest).find(';');
  if (end == std::string_view::npos) return 0;
  const std::u32string reference = to_code_points(text.substr(0, end + 1));
  const std::u32string meant = unescape_html(reference);
  // "&notit;" has a reference without a semicolon, and the semicolon is one.
  const bool whole = meant != reference && meant.size() <= 2 && (meant.size() == 1 || !meant.ends_with(U';'));
  return whole ? end + 1 : 0;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || static_cast<uint8_t>(c) >= 0x80;
}

struct Quotes {
  std::string_view open, close;
};
constexpr std::array<Quotes, 3> kQuotes{{{"\"", "\""}, {"'", "'"}, {"\u201c", "\u201d"}}};

/// Quotation marks that are none elsewhere (6", dogs', '70s) stand at the borders of words.
bool opens(std::string_view line, size_t at, const Quotes& quotes) {
  if (!line.substr(at).starts_with(quotes.open)) return false;
  const std::string_view behind = line.substr(at + quotes.open.size());
  const bool decade = quotes.open == "'" && !behind.empty() && behind.front() >= '0' && behind.front() <= '9';
  return (at == 0 || !is_word(line[at - 1])) && !behind.empty() && !is_space(behind.front()) && !decade;
}

/// Where the quotation that opens at `at` ends; npos: nowhere.
size_t closing(std::string_view line, size_t at, const Quotes& quotes) {
  for (size_t i = line.find(quotes.close, at + quotes.open.size()); i != std::string_view::npos;
       i = line.find(quotes.close, i + 1)) {
    const std::string_view behind = line.substr(i + quotes.close.size());
    if (!is_space(line[i - 1]) && (behind.empty() || !is_word(behind.front()))) return i;
  }
  return std::string_view::npos;
}

}  // namespace

std::vector<std::string> prompts_of_line(std::string_view line, Semicolons semicolons) {
  require_utf8(line, "the prompt");
  std::vector<std::string> prompts;
  std::string prompt;
  const auto end_prompt = [&] {
    if (std::string stripped = strip(prompt); !stripped.empty()) prompts.push_back(std::move(stripped));
    prompt.clear();
  };
  size_t quoted_to = 0;                             // in quotes before it
  std::array<bool, kQuotes.size()> never_closes{};  // behind here: looked for once only
  for (size_t i = 0; i < line.size();) {
    if (semicolons == Semicolons::all_separate) {
      const size_t end = std::min(line.find(';', i), line.size());
      prompt = line.substr(i, end - i);
      end_prompt();
      i = end + 1;
      continue;
    }
    for (size_t kind = 0; kind < kQuotes.size() && i >= quoted_to; ++kind) {
      if (never_closes[kind] || !opens(line, i, kQuotes[kind])) continue;
      const size_t close = closing(line, i, kQuotes[kind]);
      never_closes[kind] = close == std::string_view::npos;
      if (!never_closes[kind]) quoted_to = close + 1;
    }
    if (const size_t bytes = html_reference(line.substr(i))) {
      prompt += line.substr(i, bytes);
      i += bytes;
    } else if (const size_t slashes = std::min(line.find_first_not_of('\\', i), line.size()) - i; slashes > 0) {
      const bool escapes = line.substr(i + slashes).starts_with(';');
      prompt.append(escapes ? slashes / 2 : slashes, '\\');
      i += slashes;
      if (escapes && slashes % 2 == 1) prompt += line[i++];
    } else if (line[i] == ';' && i >= quoted_to) {
      end_prompt();
      ++i;
    } else {
      prompt += line[i++];
    }
  }
  end_prompt();
  return prompts;
}

void require_prompt(std::string_view prompt) {
  require(prompt.size() <= kMaxPromptBytes, ErrorCode::too_large, "the prompt has {} bytes; at most {} are allowed",
          prompt.size(), kMaxPromptBytes);
  require_utf8(prompt, "the prompt");
}

std::string output_file_name(const OutputName& name) {
  const std::string stem = name.save_with_index ? std::to_string(name.prompt_index) : name_of(name.prompt);
  return fmt::format("{}-{}_{}.mp4", stem, name.sample_index, name.use_ema ? "ema" : "regular");
}

}  // namespace rushes::text
