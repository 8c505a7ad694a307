// How far ahead of its viewers a video is. A plain value, without a clock.
#pragma once
#include <algorithm>
#include <chrono>
#include <optional>

namespace rushes::generation {

/// An ideal viewer begins with the first block and plays at the video's speed; when nothing is left it stalls, and goes
/// on with the next block.
class ViewerLead {
 public:
  /// `video_seconds` more of video were delivered at time `now`, which never falls.
  void add(std::chrono::microseconds now, double video_seconds) {
    lead_ = std::max(0.0, at(now).value_or(0)) + video_seconds;
    since_ = now;
  }

  /// Seconds of video that are still to be played; negative: how long the viewer has stalled. Nothing before the first
  /// block.
  std::optional<double> at(std::chrono::microseconds now) const {
    if (!since_) return std::nullopt;
    return lead_ - std::chrono::duration<double>(now - *since_).count();
  }

 private:
  double lead_ = 0;  // at since_
  std::optional<std::chrono::microseconds> since_;
};

}  // namespace rushes::generation
