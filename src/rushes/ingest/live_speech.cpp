#include "rushes/ingest/live_speech.h"

#include <algorithm>
#include <cmath>

namespace rushes::ingest {
namespace {

constexpr int64_t kMostWaitingFrames = 50;  // in the generator
constexpr double kMostWaitingSeconds = 1.0;
constexpr int kPatientSteps = 3;  // a late speaker is waited for, then silence takes the place

}  // namespace

LiveSpeech::LiveSpeech(std::shared_ptr<generation::Session> session)
    : session_(std::move(session)),
      step_samples_(std::llround(static_cast<double>(session_->format().speech_hz) / session_->format().fps)) {}

void LiveSpeech::hear(std::span<const float> samples) {
  if (samples.empty()) return;
  heard_.insert(heard_.end(), samples.begin(), samples.end());
  const auto most = static_cast<std::size_t>(kMostWaitingSeconds * static_cast<double>(session_->format().speech_hz));
  if (heard_.size() > most) heard_.erase(heard_.begin(), heard_.end() - static_cast<std::ptrdiff_t>(most));
  patience_ = kPatientSteps;
}

std::optional<std::vector<float>> LiveSpeech::step(int64_t frames_shown) {
  std::deque<float>& source = says() ? to_say_ : heard_;
  if (!says() && static_cast<int64_t>(heard_.size()) < step_samples_ && patience_-- > 0) return std::nullopt;
  if (fed_ - frames_shown >= kMostWaitingFrames) return std::nullopt;
  std::vector<float> samples(static_cast<std::size_t>(step_samples_), 0.0f);
  const auto count = static_cast<std::ptrdiff_t>(std::min(source.size(), samples.size()));
  std::copy_n(source.begin(), count, samples.begin());
  source.erase(source.begin(), source.begin() + count);
  session_->feed_speech(samples);
  ++fed_;
  return samples;
}

}  // namespace rushes::ingest
