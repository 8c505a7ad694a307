// Options of a command from three places: what the command line leaves open comes from environment variables, and what
// those leave open from a YAML file. The options themselves are declared once, to CLI11.
#pragma once
#include <CLI/CLI.hpp>

namespace rushes::app {

/// Adds --config FILE to `command` and says in its help how the three places relate.
void add_config_option(CLI::App& command);

/// To be called when the command line has been parsed: gives each option that it does not name the value of
/// RUSHES_<NAME> (upper case, '_' for '-'; an empty one counts as absent), else that of published_settings(), else that
/// of the file's key <name>. Lists are separated by commas in a variable and are lists in the file.
/// Throws Error(invalid_argument) naming variable or file, line and key: what cannot be read, is not known, or is no
/// value of the option.
void complete_options(CLI::App& command);

}  // namespace rushes::app
