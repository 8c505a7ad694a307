// Which model a command uses, and how it is loaded: the same flags wherever a model is named.
#pragma once
#include <CLI/CLI.hpp>

#include "rushes/generation/generator.h"

namespace rushes::app {

/// --model, --checkpoint, --use-ema, --dtype, --device, --decoder (with the reference's spellings) into `options`,
/// which must outlive the parsing.
void add_model_options(CLI::App& command, generation::ModelOptions& options);

/// --threads: how many cores the model may use. 0: one for a small model, all for others. `model.path` is resolved.
void add_threads_option(CLI::App& command, int& threads);
void use_threads(int threads, const generation::ModelOptions& model);

/// The model that is used when none is named: $RUSHES_MODEL, else the one shipped with this program.
/// Throws Error(invalid_argument) with the places looked at.
std::string default_model();

/// The talking-head model that is used when none is named: $RUSHES_TALK_MODEL, else the one shipped with this program.
/// Empty if there is none.
std::string default_talk_model();

}  // namespace rushes::app
