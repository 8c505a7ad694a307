// Sound out of a file, as everything else takes it.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace rushes::media {

struct AudioLimits {
  int64_t max_bytes = 256 << 20;  // of the file
  double max_seconds = 3600;
  int64_t max_samples = 64 << 20;  // 256 MiB of one channel: 23 minutes at 48 kHz, 70 at 16 kHz
  /// Sound of a higher rate comes out at this one, to which it is resampled while it is decoded; 0: at its own.
  int64_t max_hz = 0;
  /// Asked before the samples that are held take so many bytes in all: a file says its length and its rate itself, and
  /// 10 KB may be minutes. What it throws, decoding throws. Any thread, one at a time.
  std::function<void(int64_t bytes)> admit = {};
};

/// AudioLimits::max_hz of speech: no model listens at a higher rate.
inline constexpr int64_t kMostSpeechHz = 48'000;

/// Samples of floating point may hold anything. Beyond this they are no sound, but another format's bytes or damage.
inline constexpr float kLoudest = 8;
/// False for what is not a number, too.
constexpr bool is_sound(float sample) { return sample >= -kLoudest && sample <= kLoudest; }

/// One channel in [-1, 1], at the file's own rate or AudioLimits::max_hz. Samples that are no sound become silence, and
/// a warning says so.
struct DecodedAudio {
  std::vector<float> samples;
  int64_t hz = 0;
  std::vector<std::string> warnings = {};  // what whoever sent it should know
  int64_t bytes() const { return static_cast<int64_t>(samples.size() * sizeof(float)); }
  double seconds() const { return hz > 0 ? static_cast<double>(samples.size()) / static_cast<double>(hz) : 0; }
};

/// DecodedAudio::warnings of samples that are no sound.
inline std::string no_sound_warning() {
  return "some samples of the audio are not numbers, or far beyond [-1, 1]: silence is in their place";
}

/// DecodedAudio::warnings of sound that audio::Downmix::cancels().
inline std::string cancelling_warning(int64_t channels) {
  return "the " + std::to_string(channels) +
         " channels of the audio cancel each other, or most of them are silent: where their mean would be lost, the "
         "loudest channel is used";
}

}  // namespace rushes::media
