// The options of models as flags of a command.
#pragma once
#include <CLI/CLI.hpp>

#include <functional>

#include "rushes/generation/registry.h"

namespace rushes::app {

/// A flag for each option of the families that `wanted` chooses, with underscores and with dashes, under each of its
/// spellings that no other option has, in groups of the help by family. What is given goes into `options`, which must
/// outlive the parsing; the model checks it.
void add_option_flags(CLI::App& command, Options& options,
                      const std::function<bool(const generation::Family&)>& wanted);

/// --seed, which is any number of 64 bits; CLI11 itself would take what is larger for the largest.
CLI::Option* add_seed_option(CLI::App& command, uint64_t& seed, const std::string& doc);

/// Families whose models are prompted with text.
bool takes_text(const generation::Family& family);
/// Families whose models are fed with speech, and prompted with text or not.
bool is_fed_audio_alone(const generation::Family& family);
bool is_prompted_and_fed_audio(const generation::Family& family);
/// Families whose models say in words what they see.
bool answers_about_pictures(const generation::Family& family);

}  // namespace rushes::app
