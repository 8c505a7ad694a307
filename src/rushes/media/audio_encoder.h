// Sound, one channel, to AAC (LC) for every container that carries our video, and to Opus for WebRTC.
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
  /// Units of Opus are 20 ms long; a rate that it does not know is resampled to 48 kHz. Throws Error(invalid_argument)
  /// for a rate that AAC does not know, Error(unavailable) if there is no encoder.
  explicit AudioEncoder(int64_t hz, AudioCodec codec = AudioCodec::aac);
  ~AudioEncoder();
  AudioEncoder(AudioEncoder&&) noexcept;
  AudioEncoder& operator=(AudioEncoder&&) noexcept;

  /// Is there an encoder?
  static bool knows(AudioCodec codec);

  const AudioTrack& track() const;
  /// `first_sample` is the place of samples[0] in the stream; it counts on the first call only. All that is complete
  /// comes back; of AAC up to two units are held back, of Opus what is incomplete and 6.5 ms that every unit looks
  /// ahead.
  std::vector<AccessUnit> encode(std::span<const float> samples, int64_t first_sample);
  /// What the encoder still holds; nothing may be encoded afterwards.
  std::vector<AccessUnit> flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
