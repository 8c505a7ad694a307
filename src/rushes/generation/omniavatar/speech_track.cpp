#include "rushes/generation/omniavatar/speech_track.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace rushes::generation {

void SpeechTrack::pad(int64_t until) {
  if (until > heard()) samples_.resize(static_cast<std::size_t>(until - begin_), 0.0f);
}

int64_t SpeechTrack::sample(int64_t frame) const {
  return std::llround(static_cast<double>(frame) / fps_ * static_cast<double>(hz_));
}

int64_t SpeechTrack::frames(int64_t samples) const {
  return static_cast<int64_t>(std::ceil(static_cast<double>(samples) / static_cast<double>(hz_) * fps_));
}

std::span<const float> SpeechTrack::samples(int64_t first, int64_t end) const {
  const auto in = [&](int64_t at) { return std::clamp(at, begin_, heard()) - begin_; };
  return std::span(samples_).subspan(static_cast<std::size_t>(in(first)), static_cast<std::size_t>(in(end)-in(first)));
}

void SpeechTrack::forget_before(int64_t sample) {
  const int64_t gone = std::min(sample, heard()) - begin_;
  // In large steps: a file that is fed at once is minutes of sound, and each erasing moves what is left of it.
  if (gone <= 0 || 2 * gone < static_cast<int64_t>(samples_.size())) return;
  samples_.erase(samples_.begin(), samples_.begin() + gone);
  begin_ += gone;
}

Audio SpeechTrack::sound(int64_t first, int64_t end, int64_t until) const {
  const int64_t from = sample(first - delay_), to = std::max(std::min(sample(end - delay_), until), from);
  const int64_t silent = std::clamp<int64_t>(-from, 0, to - from);  // before the speech begins
  const std::span<const float> heard = samples(std::max<int64_t>(from, 0), std::max<int64_t>(to, 0));
  Audio audio{.samples = nullptr, .first_sample = sample(first), .hz = hz_};
  if (heard.empty()) return audio;
  std::vector<float> all(static_cast<std::size_t>(silent), 0.0f);
  all.insert(all.end(), heard.begin(), heard.end());
  audio.samples = std::make_shared<const std::vector<float>>(std::move(all));
  return audio;
}

int64_t SpeechTrack::utterances_over(int64_t video_frames) {
  int64_t over = 0;
  for (; !ends_.empty() && ends_.front() + delay_ <= video_frames; ends_.pop_front()) ++over;
  return over;
}

}  // namespace rushes::generation
