// Sound that arrives in pieces, resampled as one stream: no clicks where pieces meet.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace rushes::audio {

/// One channel; SoX resampler at high quality. What comes out lags by some milliseconds until flush(). One thread at a
/// time.
class StreamResampler {
 public:
  /// Throws Error(invalid_argument) for rates outside 1 Hz to 10 MHz.
  StreamResampler(int64_t from_hz, int64_t to_hz);
  ~StreamResampler();
  StreamResampler(StreamResampler&&) noexcept;
  StreamResampler& operator=(StreamResampler&&) noexcept;

  int64_t from_hz() const noexcept { return from_hz_; }
  /// A piece without samples changes nothing.
  std::vector<float> feed(std::span<const float> samples);
  /// What was held back; afterwards a new stream begins. All that came out since the last one has in all
  /// ceil(fed to_hz / from_hz) samples.
  std::vector<float> flush();

 private:
  struct State;
  void open();

  int64_t from_hz_, to_hz_;
  int64_t fed_ = 0, given_ = 0;
  std::unique_ptr<State> state_;  // none where the rates are equal
};

}  // namespace rushes::audio
