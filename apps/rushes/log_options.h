// --log-level and --log-format, which every command takes, and --quiet.
#pragma once
#include <CLI/CLI.hpp>

namespace rushes::app {

/// To the program, whose commands pass them on: to be called before they are added.
void add_log_options(CLI::App& app);

/// --quiet: `quiet` is set, and the log has warnings and errors only, unless the command line or the environment says
/// what it has.
CLI::Option* add_quiet_flag(CLI::App& command, bool& quiet);

}  // namespace rushes::app
