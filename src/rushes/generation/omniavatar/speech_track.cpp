#include "rushes/generation/omniavatar/speech_track.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace rushes::generation {

int64_t SpeechTrack::sample(int64_t frame) const {
  return std::llround(static_cast<double>(frame) / fps_ * static_cast<double>(hz_));
}

int64_t SpeechTrack::frames(int64_t samples) const {
  return static_cast<int64_t>(std::ceil(static_cast<double>(samples) / static_cast<double>(hz_) * fps_));
}

Audio SpeechTrack::sound(int64_t first, int64_t end, int64_t until) const {
  const int64_t from = sample(first - delay_), to = std::max(std::min(sample(end - delay_), until), from);
  const int64_t silent = std::clamp<int64_t>(-from, 0, to - from);  // before the speech begins
  const std::vector<float> heard = samples(std::max<int64_t>(from, 0), std::max<int64_t>(to, 0));
  Audio audio{.samples = nullptr, .first_sample = sample(first), .hz = hz_};
  if (heard.empty()) return audio;
  std::vector<float> all(static_cast<std::size_t>(silent), 0.0f);
  all.insert(all.end(), heard.begin(), heard.end());
  audio.samples = std::make_shared<const std::vector<float>>(std::move(all));
  return audio;
}

}  // namespace rushes::generation
