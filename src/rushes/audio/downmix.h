// Many channels to one, without losing what they say.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rushes::audio {

/// The mean of all channels; where that would be much quieter than the loudest one (they cancel each other, as in a
/// file with an inverted channel, or most of them are silent, as in surround sound with its speech in the middle), the
/// loudest one. One thread at a time.
class Downmix {
 public:
  /// Throws Error(invalid_argument) unless there are 1 to 64 channels at 1 Hz or more.
  Downmix(int64_t channels, int64_t hz);

  /// Appends what `interleaved` gives to `mono`, one value for each whole frame of channels. Less than 40 ms of several
  /// channels are held back until flush().
  void feed(std::span<const float> interleaved, std::vector<float>& mono);
  void flush(std::vector<float>& mono);

  int64_t channels() const noexcept { return channels_; }
  /// In a good part of what was heard the mean would have lost it.
  bool cancels() const noexcept { return 10 * lost_windows_ > loud_windows_; }

 private:
  static constexpr int64_t kMean = -1;
  int64_t choose(std::span<const float> window);
  void mix(std::span<const float> window, std::vector<float>& mono);

  int64_t channels_, window_frames_, fade_frames_;
  std::vector<float> waiting_;  // less than a window
  int64_t source_ = kMean;      // a channel, or all
  bool begun_ = false;
  int64_t loud_windows_ = 0, lost_windows_ = 0;
};

}  // namespace rushes::audio
