#include "log_options.h"

#include <memory>

#include "rushes/base/log_format.h"

namespace rushes::app {
namespace {

constexpr const char* kLevel = "--log-level";

/// The help of every command ends with what all of them take.
class Formatter final : public CLI::Formatter {
 public:
  std::string make_footer(const CLI::App* app) const override {
    const std::string footer = CLI::Formatter::make_footer(app);
    if (!app->get_parent()) return footer;
    return footer +
           "\nEvery command takes --log-level (debug, info, warning, error, off) and --log-format (text, json).\n";
  }
};

CLI::App& program_of(CLI::App& command) {
  CLI::App* app = &command;
  while (app->get_parent()) app = app->get_parent();
  return *app;
}

}  // namespace

void add_log_options(CLI::App& app) {
  app.formatter(std::make_shared<Formatter>());
  app.fallthrough();  // `rushes serve --log-level debug` is the same as `rushes --log-level debug serve`
  app.add_option_function<std::string>(
         kLevel, [](const std::string& word) { log::set_level(log::parse_level(word)); },
         "log level: debug, info, warning, error or off")
      ->envname("RUSHES_LOG_LEVEL")
      ->default_str("info");
  app.add_option_function<std::string>(
         "--log-format", [](const std::string& word) { log::set_format(log::parse_format(word)); },
         "format of the log's lines: text, or json with the values of a line as members")
      ->envname("RUSHES_LOG_FORMAT")
      ->default_str("text");
}

CLI::Option* add_quiet_flag(CLI::App& command, bool& quiet) {
  return command.add_flag_callback(
      "-q,--quiet",
      [&command, &quiet] {
        quiet = true;
        const CLI::Option* level = program_of(command).get_option_no_throw(kLevel);
        if (!level || level->empty()) log::set_level(log::Level::warning);
      },
      "print warnings and errors only");
}

}  // namespace rushes::app
