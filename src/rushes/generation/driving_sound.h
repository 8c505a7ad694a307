// The sound of a driving video's frames.
#pragma once
#include <algorithm>
#include <cmath>

#include "rushes/generation/driving_video.h"
#include "rushes/generation/event.h"

namespace rushes::generation {

/// Of `frames` video frames from `first_frame` on; less or none where the video is longer than its sound.
inline Audio audio_of(const DrivingVideo& video, int64_t first_frame, int64_t frames) {
  const std::vector<float>& all = video.audio();
  const auto sample = [&](int64_t frame) {
    const double at = static_cast<double>(frame) * static_cast<double>(video.audio_hz()) / video.fps();
    return std::min<int64_t>(std::llround(at), static_cast<int64_t>(all.size()));
  };
  const int64_t first = sample(first_frame);
  return {.samples = std::make_shared<const std::vector<float>>(all.begin() + first,
                                                                all.begin() + sample(first_frame + frames)),
          .first_sample = first,
          .hz = video.audio_hz()};
}

}  // namespace rushes::generation
