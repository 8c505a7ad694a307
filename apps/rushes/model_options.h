// Which model a command uses, and how it is loaded: the same flags wherever a model is named.
#pragma once
#include <CLI/CLI.hpp>

#include "rushes/base/image.h"
#include "rushes/generation/registry.h"

namespace rushes::app {

/// --model, --checkpoint, --use-ema, --dtype, --device, --decoder, --sampler, --strict (with the reference's spellings)
/// into `options`, which must outlive the parsing.
void add_model_options(CLI::App& command, generation::ModelOptions& options);

/// A model of so few bytes gains nothing from several cores for one operator. `model.path` is resolved.
bool is_small(const generation::ModelOptions& model);

/// --silent-audio, --no-silent-audio: see media::VideoOutputOptions.
void add_silent_audio_option(CLI::App& command, bool& silent_audio);

/// What is wrong with a request before its model is loaded: the numbers that all families share, and options that the
/// family of `model.path` does not have. Throws Error(invalid_argument).
void check_request(const generation::Request& request, const generation::ModelOptions& model);

/// A picture from a file, within the limits of the models that `model` (a ModelOptions::path) is one of. Throws as
/// media::read_image().
Image read_picture(const std::string& file, const std::string& model);

/// --threads: how many cores the model may use; 0, told in the help as `by_default`, where it is not given.
void add_threads_option(CLI::App& command, int& threads, const std::string& by_default);
/// 0: all; with a model, one for a small one.
void use_threads(int threads);
void use_threads(int threads, const generation::ModelOptions& model);

/// The model that is used when none is named: $RUSHES_MODEL, else the one shipped with this program.
/// Throws Error(invalid_argument) with the places looked at.
std::string default_model();

/// The talking-head model that is used when none is named: $RUSHES_TALK_MODEL, else the one shipped with this program.
/// Empty if there is none.
std::string default_talk_model();
/// All that are shipped with this program beside the default model.
std::vector<std::string> shipped_companions();
/// Where a model is named that is shipped with this program, and there is no folder of that name, its folder; else
/// `path`.
std::string named_model(const std::string& path);
/// What `named` means where a model is fed with speech: "" the default, "random" the small one of such a family.
std::string talk_model(const std::string& named);
/// The same where it is prompted, too: "" is $RUSHES_AVATAR_MODEL, else the shipped one, or empty.
std::string avatar_model(const std::string& named);
/// The same where it answers in words what it sees in a picture: "" is $RUSHES_FORESEE_MODEL, else the shipped one, or
/// empty.
std::string answering_model(const std::string& named);

}  // namespace rushes::app
