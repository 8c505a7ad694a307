#include "settings.h"

#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "published_settings.h"
#include "rushes/base/error.h"

namespace rushes::app {
namespace {

constexpr const char* kConfig = "config";

/// "max-sessions": what the option is called in the file; empty for options that are no settings.
std::string key_of(const CLI::Option& option) {
  const auto& names = option.get_lnames();
  return names.empty() || names.front() == "help" || names.front() == "version" ? std::string() : names.front();
}

std::string variable_of(std::string key) {
  std::transform(key.begin(), key.end(), key.begin(),
                 [](char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return "RUSHES_" + key;
}

bool takes_several(const CLI::Option& option) { return option.get_expected_max() > 1; }

/// `where` begins the message if the option refuses a value.
void give(CLI::Option& option, const std::vector<std::string>& values, const std::string& where) {
  try {
    for (const std::string& value : values) {
      if (option.get_trigger_on_parse())
        option.clear();  // takes each value by itself, as it does from the command line
      option.add_result(value);
      if (option.get_trigger_on_parse()) option.run_callback();
    }
    if (!values.empty() && !option.get_trigger_on_parse()) option.run_callback();
  } catch (const CLI::Error& error) {
    fail(ErrorCode::invalid_argument, "{}: {}", where, error.what());
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", where, error.what());
  }
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    if (comma > begin) parts.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return parts;
}

void complete_from_environment(const std::vector<CLI::Option*>& options) {
  for (CLI::Option* option : options) {
    const std::string key = key_of(*option);
    if (key.empty() || option->count() > 0) continue;
    const std::string variable = variable_of(key);
    const char* value = std::getenv(variable.c_str());
    if (!value || !*value) continue;
    give(*option, takes_several(*option) ? split(value) : std::vector<std::string>{value}, variable);
  }
}

void complete_from_published(const std::vector<CLI::Option*>& options) {
  for (const PublishedSetting& each : published_settings([](const char* name) { return std::getenv(name); }))
    for (CLI::Option* option : options)
      if (key_of(*option) == each.key && option->count() == 0) give(*option, each.values, each.variable);
}

std::vector<std::string> values_of(const YAML::Node& node, const CLI::Option& option, const std::string& where) {
  if (node.IsScalar()) return {node.Scalar()};
  require(node.IsSequence() && takes_several(option), ErrorCode::invalid_argument, "{} must be {}", where,
          takes_several(option) ? "a value or a list of values" : "a single value");
  std::vector<std::string> values;
  for (const YAML::Node& each : node) {
    require(each.IsScalar(), ErrorCode::invalid_argument, "{} must be a list of plain values", where);
    values.push_back(each.Scalar());
  }
  return values;
}

YAML::Node load(const std::string& file) {
  try {
    return YAML::LoadFile(file);
  } catch (const YAML::BadFile&) {
    fail(ErrorCode::invalid_argument, "--config: {} cannot be read", file);
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::invalid_argument, "{}:{}: {}", file, error.mark.line + 1, error.msg);
  }
}

void complete_from_file(const std::vector<CLI::Option*>& options, const std::string& file) {
  const YAML::Node root = load(file);
  if (root.IsNull()) return;
  require(root.IsMap(), ErrorCode::invalid_argument, "{}: expected lines of the form 'max-sessions: 4'", file);
  std::set<std::string> seen;
  for (const auto& entry : root) {
    std::string key = entry.first.IsScalar() ? entry.first.Scalar() : std::string();
    std::replace(key.begin(), key.end(), '_', '-');
    const std::string where = fmt::format("{}:{}: {}", file, entry.first.Mark().line + 1, key);
    const auto found = std::find_if(options.begin(), options.end(), [&](const CLI::Option* option) {
      return key != kConfig && !key.empty() && key_of(*option) == key;
    });
    if (found == options.end()) {
      std::vector<std::string> known;
      for (const CLI::Option* option : options)
        if (const std::string name = key_of(*option); !name.empty() && name != kConfig) known.push_back(name);
      fail(ErrorCode::invalid_argument, "{}: unknown setting; the known settings are: {}", where,
           fmt::join(known, ", "));
    }
    require(seen.insert(key).second, ErrorCode::invalid_argument, "{}: the setting is given twice", where);
    if ((*found)->count() == 0 && !entry.second.IsNull()) give(**found, values_of(entry.second, **found, where), where);
  }
}

}  // namespace

void add_config_option(CLI::App& command) {
  command
      .add_option_function<std::string>(
          std::string("--") + kConfig, [](const std::string&) {}, "YAML file with these settings, e.g. max-sessions: 4")
      ->type_name("FILE");
  command.footer(
      "Each setting can also be given as an environment variable (--max-sessions: RUSHES_MAX_SESSIONS; separate list "
      "entries with commas)\nor in the file of --config. The command line has priority over the environment, and the "
      "environment over the file.");
}

void complete_options(CLI::App& command) {
  const auto all = [](CLI::Option*) { return true; };
  std::vector<CLI::Option*> options = command.get_options(all);
  if (CLI::App* program = command.get_parent())  // its own are settings, too: log-level
    for (CLI::Option* option : program->get_options(all)) options.push_back(option);
  complete_from_environment(options);
  complete_from_published(options);
  const CLI::Option* config = command.get_option(std::string("--") + kConfig);
  if (config->count() > 0) complete_from_file(options, config->results().back());
}

}  // namespace rushes::app
