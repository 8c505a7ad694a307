// What commands that generate share: a line tells how far they are.
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "recording.h"
#include "rushes/generation/model.h"
#include "rushes/media/video_output.h"

namespace rushes::app {

/// From now on a reader of our output that leaves is told by the write that fails, not by SIGPIPE.
void ignore_closed_pipes();

/// Words for people on standard error. That nobody can read them, since the terminal was closed, does not end the work.
template <typename... Values>
void say(fmt::format_string<Values...> text, Values&&... values) {
  std::fputs(fmt::format(text, std::forward<Values>(values)...).c_str(), stderr);
}

/// Keeps one line on a terminal up to date; elsewhere writes a line for each block.
class ProgressPrinter {
 public:
  ProgressPrinter(generation::VideoFormat format, bool quiet);
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;
  void show(const Progress& progress);

 private:
  generation::VideoFormat format_;
  bool quiet_, terminal_, open_line_ = false;
  int64_t blocks_ = 0;
};

/// Lines on standard error, also of quiet commands: what was given and changes nothing.
void print_ignored(const std::vector<generation::Ignored>& ignored);
/// The same of --quality, if none of the targets is compressed.
void print_ignored_quality(const std::vector<media::VideoOutputOptions>& targets);
/// A model's plan for a request, after saying what of it changes nothing, and its warnings. Throws Error(too_large) if
/// this computer does not have the memory.
std::unique_ptr<generation::Plan> checked_plan(const generation::Model& model, const generation::Request& request);
/// What a model says, as it comes.
void print_words(std::FILE* to, std::string_view words);

/// One line on standard error: what was made of `target`, how long and how fast.
void print_summary(const Recorded& recorded, const std::string& target, double fps);

}  // namespace rushes::app
