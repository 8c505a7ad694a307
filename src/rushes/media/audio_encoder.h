// Sound to AAC (LC, one channel) for every container that carries our video.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// Access units carry the times of the sound that they decode to: the encoder's delay is taken off, so that sound and
/// pictures of the same time belong together. One thread at a time.
class AudioEncoder {
 public:
  /// Throws Error(invalid_argument) for a rate that AAC does not know, Error(unavailable) if there is no encoder.
  explicit AudioEncoder(int64_t hz, int64_t bits_per_second = 64'000);
  ~AudioEncoder();
  AudioEncoder(AudioEncoder&&) noexcept;
  AudioEncoder& operator=(AudioEncoder&&) noexcept;

  const AudioTrack& track() const;
  /// `first_sample` is the place of samples[0] in the stream; it counts on the first call only. All that is complete
  /// comes back; up to two units are held back.
  std::vector<AccessUnit> encode(std::span<const float> samples, int64_t first_sample);
  /// What the encoder still holds; nothing may be encoded afterwards.
  std::vector<AccessUnit> flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
