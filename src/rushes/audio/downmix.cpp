#include "rushes/audio/downmix.h"

#include <algorithm>

#include "rushes/base/error.h"

namespace rushes::audio {
namespace {

constexpr double kWindowSeconds = 0.04, kFadeSeconds = 0.005;
// Energy of the mean, of that of the loudest channel. One of two channels alone has 1/4: that is left as it is.
constexpr double kLost = 0.2, kBack = 0.24;
constexpr double kSilence = 1e-8;  // mean square: -80 dB

}  // namespace

Downmix::Downmix(int64_t channels, int64_t hz)
    : channels_(channels),
      window_frames_(std::max<int64_t>(1, static_cast<int64_t>(kWindowSeconds * static_cast<double>(hz)))),
      fade_frames_(std::max<int64_t>(1, static_cast<int64_t>(kFadeSeconds * static_cast<double>(hz)))) {
  require(channels >= 1 && channels <= 64 && hz >= 1, ErrorCode::invalid_argument,
          "{} channels at {} Hz cannot be mixed down; 1 to 64 channels are allowed", channels, hz);
}

/// Where the window comes from: a channel, or kMean.
int64_t Downmix::choose(std::span<const float> window) {
  std::vector<double> energies(static_cast<std::size_t>(channels_));
  double of_mean = 0;
  const auto step = static_cast<std::size_t>(channels_);
  for (std::size_t at = 0; at < window.size(); at += step) {
    double sum = 0;
    for (std::size_t c = 0; c < step; ++c) {
      const double value = window[at + c];
      sum += value;
      energies[c] += value * value;
    }
    const double mean = sum / static_cast<double>(step);
    of_mean += mean * mean;
  }
  const auto loudest = static_cast<std::size_t>(std::max_element(energies.begin(), energies.end()) - energies.begin());
  if (energies[loudest] < kSilence * static_cast<double>(window.size() / step)) return source_;
  ++loud_windows_;
  if (of_mean >= (source_ == kMean ? kLost : kBack) * energies[loudest]) return kMean;
  ++lost_windows_;
  const bool stays = source_ != kMean && energies[static_cast<std::size_t>(source_)] > 0.5 * energies[loudest];
  return stays ? source_ : static_cast<int64_t>(loudest);
}

void Downmix::mix(std::span<const float> window, std::vector<float>& mono) {
  const int64_t before = source_;
  source_ = choose(window);
  const auto step = static_cast<std::size_t>(channels_);
  const auto value = [&](int64_t source, std::size_t at) {
    if (source != kMean) return static_cast<double>(window[at + static_cast<std::size_t>(source)]);
    double sum = 0;
    for (std::size_t c = 0; c < step; ++c) sum += window[at + c];
    return sum / static_cast<double>(step);
  };
  const int64_t fade = begun_ && before != source_ ? fade_frames_ : 0;
  begun_ = true;
  for (std::size_t i = 0; i * step < window.size(); ++i) {
    double sample = value(source_, i * step);
    if (static_cast<int64_t>(i) < fade) {
      const double share = static_cast<double>(i + 1) / static_cast<double>(fade + 1);
      sample = share * sample + (1 - share) * value(before, i * step);
    }
    mono.push_back(static_cast<float>(sample));
  }
}

void Downmix::feed(std::span<const float> interleaved, std::vector<float>& mono) {
  if (channels_ == 1) {
    mono.insert(mono.end(), interleaved.begin(), interleaved.end());
    return;
  }
  const auto window = static_cast<std::size_t>(window_frames_ * channels_);
  if (!waiting_.empty()) {
    const std::size_t count = std::min(window - waiting_.size(), interleaved.size());
    waiting_.insert(waiting_.end(), interleaved.begin(), interleaved.begin() + static_cast<std::ptrdiff_t>(count));
    interleaved = interleaved.subspan(count);
    if (waiting_.size() < window) return;
    mix(waiting_, mono);
    waiting_.clear();
  }
  for (; interleaved.size() >= window; interleaved = interleaved.subspan(window)) mix(interleaved.first(window), mono);
  waiting_.assign(interleaved.begin(), interleaved.end());
}

void Downmix::flush(std::vector<float>& mono) {
  const std::size_t whole = waiting_.size() - waiting_.size() % static_cast<std::size_t>(channels_);
  if (whole > 0) mix(std::span(waiting_).first(whole), mono);
  waiting_.clear();
}

}  // namespace rushes::audio
