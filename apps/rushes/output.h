// Where the video of a command goes: what is wrong with a target is said before a model is loaded, and one video may go
// to several.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "rushes/media/video_output.h"

namespace rushes::app {

/// It ends with '/' or is a folder: its file gets a name of its own.
bool names_directory(const std::string& target);

/// --quality of H.264.
struct Quality {
  int value = 20;
  bool is_given = false;
};
/// `quality` must outlive the parsing.
void add_quality_option(CLI::App& command, Quality& quality);

enum class Folders { get_a_file, are_refused };

/// Throws what open_video_output() would throw, Error(invalid_argument) mostly, without touching the target; an RTMP
/// server that is away is Error(unavailable).
void check_output(const std::string& target, const std::string& format, Folders folders = Folders::get_a_file);

/// Several targets as one, which ends when the reader of the first has gone. Throws as open_video_output().
std::unique_ptr<media::VideoOutput> open_outputs(const std::vector<media::VideoOutputOptions>& targets);

}  // namespace rushes::app
