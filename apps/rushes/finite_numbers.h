// Numbers of the command line, of settings files and of the environment.
#pragma once
#include <CLI/CLI.hpp>

namespace rushes::app {

/// Options of `app` and of its commands that are floating point refuse what is not a finite number: it passes every
/// check of bounds. To be called when all options are there.
void refuse_what_is_not_finite(CLI::App& app);

}  // namespace rushes::app
