// Where the video of a command goes: what is wrong with a target is said before a model is loaded, and one video may go
// to several.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rushes/media/video_output.h"

namespace rushes::app {

/// It ends with '/' or is a folder: its file gets a name of its own.
bool names_directory(const std::string& target);

/// Throws Error(invalid_argument) for what open_video_output() would refuse, without touching the target.
void check_output(const std::string& target, const std::string& format);

/// Several targets as one, which ends when the reader of the first has gone. Throws as open_video_output().
std::unique_ptr<media::VideoOutput> open_outputs(const std::vector<media::VideoOutputOptions>& targets);

}  // namespace rushes::app
