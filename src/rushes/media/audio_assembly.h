// Decoded frames of sound put together as one channel, each at the time when it is to be heard. Included by sources of
// media only.
#pragma once
#include <optional>

#include "rushes/audio/downmix.h"
#include "rushes/audio/stream_resampler.h"
#include "rushes/media/decoded_audio.h"
#include "rushes/media/decoded_stream.h"

namespace rushes::media {

/// Where nothing is to be heard there is silence, and of what is to be heard twice at a time the first counts. The rate
/// is that of the first frame, or AudioLimits::max_hz where that is lower. One thread at a time.
class AudioAssembly {
 public:
  explicit AudioAssembly(const AudioLimits& limits) : limits_(limits) {}

  /// `frame` is the newest of `stream`. Throws Error: unsupported (no sound that is known), too_large (more than
  /// max_seconds or max_samples since the last take()); what `admit` throws, which counts from the last take() too.
  void add(const AVFrame& frame, libav::DecodedStream& stream);
  /// What came since the last one; with Hold::nothing also what mixing and resampling hold back.
  enum class Hold { some, nothing };
  DecodedAudio take(Hold hold);

 private:
  /// Frames of one rate and number of channels.
  struct Part {
    audio::Downmix downmix;
    int64_t hz;
    std::optional<audio::StreamResampler> resampler;  // none: it has the rate that comes out
    int64_t fed = 0;                                  // samples, since the resampler's stream began
  };
  void begin_part(const AVFrame& frame);
  void append(std::span<const float> mono);
  void keep(std::span<const float> mono);
  void end_part();
  void require_room(int64_t more) const;
  void grow(std::size_t more);

  const AudioLimits limits_;
  int64_t hz_ = 0;
  int64_t position_ = 0;  // in samples: of what came, also what is held back
  int64_t taken_ = 0;
  std::optional<Part> part_;
  std::vector<float> samples_;
  int64_t cancelled_channels_ = 0;  // of the first part whose channels cancel each other
  bool all_sound_ = true;
};

}  // namespace rushes::media
