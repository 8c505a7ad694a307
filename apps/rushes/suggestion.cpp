#include "suggestion.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace rushes::app {
namespace {

/// Letters to insert, to remove, to change, and neighbours to swap.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        next[j] = std::min(next[j], before[j - 2] + 1);
    }
    std::swap(before, row);
    std::swap(row, next);
  }
  return row[b.size()];
}

const CLI::App& innermost(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : innermost(*parsed.front());
}

/// "rushes train", as it is typed.
std::string path_of(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent ? path_of(*parent) + " " + command.get_name() : std::string("rushes");
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!each->get_name().empty()) names.push_back(each->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* app = &command; app; app = app->get_parent())
    for (const CLI::Option* option : app->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string meant(std::string_view word, const std::vector<std::string>& known, const CLI::App& command) {
  const std::string name = nearest(word, known);
  return name.empty() ? fmt::format("{} --help lists them", path_of(command)) : fmt::format("did you mean '{}'?", name);
}

bool is_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9') && word[1] != '.';
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kShortest = 3;  // what begins with fewer letters may mean anything
  std::vector<std::string> begun;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::string best;
  for (const std::string& each : known) {
    if (word.size() >= kShortest && word != "--" && each.starts_with(word)) begun.push_back(each);
    if (const std::size_t d = distance(word, each); d < least) {
      least = d;
      best = each;
    }
  }
  return begun.size() == 1 ? begun.front() : best;
}

std::string unknown_word(const CLI::App& app) {
  const std::vector<std::string> left = app.remaining(/*recurse=*/true);
  if (left.empty()) return {};
  const CLI::App& command = innermost(app);
  const auto option = std::find_if(left.begin(), left.end(), is_option);
  if (option != left.end()) {
    const std::string name = option->substr(0, option->find('='));
    return fmt::format("there is no option '{}' of {}; {}", name, path_of(command),
                       meant(name, options_of(command), command));
  }
  if (const auto commands = commands_of(command); !commands.empty())
    return fmt::format("there is no command '{}' of {}; {}", left.front(), path_of(command),
                       meant(left.front(), commands, command));
  return fmt::format("'{}' has no place in this command line; put what contains spaces in quotes, or see {} --help",
                     left.front(), path_of(command));
}

}  // namespace rushes::app
