#include "rushes/models/omniavatar/segments.h"

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"

namespace rushes::omniavatar {

Segments segments_of_speech(int64_t samples, const SegmentRule& rule) {
  Segments s;
  const double longest = static_cast<double>(rule.max_tokens * 16 * 16 * 4) / static_cast<double>(rule.height) /
                         static_cast<double>(rule.width);
  const auto whole = static_cast<int64_t>(longest);
  s.video_frames = whole % 4 == 0 ? whole - 3 : whole / 4 * 4 + 1;
  s.overlap = rule.overlap;
  require(
      s.video_frames > std::max<int64_t>(s.overlap, 1), ErrorCode::invalid_argument,
      "max_tokens {} are segments of {} video frames at {}x{}, which leaves none beside an overlap of {}; use {} or "
      "more, or a smaller size",
      rule.max_tokens, std::max<int64_t>(s.video_frames, 0), rule.width, rule.height, s.overlap,
      ((s.overlap + 4) * rule.height * rule.width + 1023) / 1024);
  s.latent_frames = (s.video_frames + 3) / 4;
  s.speech_frames =
      static_cast<int64_t>(std::ceil(static_cast<double>(samples) / static_cast<double>(rule.hz) * rule.fps));
  const int64_t first = s.video_frames - 1, step = s.video_frames - s.overlap;
  s.padded_frames = s.speech_frames;
  if (s.speech_frames < first)
    s.padded_frames = first;
  else if (const int64_t rest = (s.speech_frames - first) % step; rest != 0)
    s.padded_frames += step - rest;
  const auto samples_a_frame = static_cast<int64_t>(static_cast<double>(rule.hz) / rule.fps);
  s.pad_samples = std::max<int64_t>(0, s.padded_frames * samples_a_frame - samples);
  s.count = (s.padded_frames - first) / step + 1;
  return s;
}

}  // namespace rushes::omniavatar
