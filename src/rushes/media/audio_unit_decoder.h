// Access units of sound back into samples, one by one: what was encoded for a container, to be encoded for another.
#pragma once
#include <memory>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// One thread at a time. Units are given in the order of their times.
class AudioUnitDecoder {
 public:
  /// Throws Error(unavailable) if there is no decoder, Error(corrupt_data) if `track` describes no sound.
  explicit AudioUnitDecoder(const AudioTrack& track);
  ~AudioUnitDecoder();
  AudioUnitDecoder(AudioUnitDecoder&&) noexcept;
  AudioUnitDecoder& operator=(AudioUnitDecoder&&) noexcept;

  /// Of the samples: that of the track, but 48 kHz for Opus.
  int64_t hz() const;
  /// The samples of `unit`, in [-1, 1], the first of them at unit.pts. A damaged unit gives none.
  std::vector<float> decode(const AccessUnit& unit);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
