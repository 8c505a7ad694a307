#include "terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "rushes/generation/working_memory.h"
#include "rushes/media/flv_publisher.h"
#include "rushes/media/rtmp_output.h"

namespace rushes::app {
namespace {

/// The name of an RTMP stream may be a secret.
std::string shown(const std::string& target) {
  if (media::is_rtmp(target)) return media::RtmpUrl::parse(target).shown;
  return target == "-" ? "standard output" : target;
}

}  // namespace

void ignore_closed_pipes() { std::signal(SIGPIPE, SIG_IGN); }

ProgressPrinter::ProgressPrinter(generation::VideoFormat format, bool quiet)
    : format_(std::move(format)), quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressPrinter::~ProgressPrinter() {
  if (open_line_) std::fputc('\n', stderr);
}

void ProgressPrinter::show(const Progress& progress) {
  if (quiet_) return;
  if (terminal_) {
    say("\r\033[K{}", progress_line(progress, format_));
    open_line_ = true;
  } else if (progress.blocks != blocks_) {
    say("{}\n", progress_line(progress, format_));
  }
  blocks_ = progress.blocks;
}

void print_ignored(const std::vector<generation::Ignored>& ignored) {
  for (const generation::Ignored& each : ignored) say("warning: {} has no effect: {}\n", each.field, each.reason);
}

void print_ignored_quality(const std::vector<media::VideoOutputOptions>& targets) {
  const auto is_h264 = [](const media::VideoOutputOptions& target) {
    return target.container == media::VideoContainer::mp4 || target.container == media::VideoContainer::rtmp;
  };
  if (std::none_of(targets.begin(), targets.end(), is_h264))
    print_ignored({{"--quality", "frames are not compressed by H.264 in this format"}});
}

void print_words(std::FILE* to, std::string_view words) {
  fmt::print(to, "{}", words);
  std::fflush(to);
}

std::unique_ptr<generation::Plan> checked_plan(const generation::Model& model, const generation::Request& request) {
  auto plan = model.plan(request);
  generation::require_memory(*plan);
  print_ignored(plan->ignored);
  for (const std::string& warning : plan->warnings) say("warning: {}\n", warning);
  if (const auto unknown = model.card().words.unknown_in(request.prompts); !unknown.empty())
    say("warning: {}; 'rushes inspect' lists the words that it knows\n", unknown_words_sentence(unknown));
  return plan;
}

void print_summary(const Recorded& recorded, const std::string& target, double fps) {
  const Progress& p = recorded.progress;
  say("{}: {} frames, {:.2f} s of video in {:.2f} s, {:.1f} fps", shown(target), p.video_frames,
      static_cast<double>(p.video_frames) / fps, p.elapsed.count(), p.fps());
  if (p.first_frame) say(", first frame after {:.3f} s", p.first_frame->count());
  say("\n");
}

}  // namespace rushes::app
