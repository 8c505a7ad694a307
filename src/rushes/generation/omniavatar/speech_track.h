// The speech of a session: what has come of it, and what of it has not been seen yet. It is also the sound of the
// video. The same speech gives the same track in however many pieces it comes. No libtorch here.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "rushes/generation/event.h"
#include "rushes/generation/sample_tape.h"

namespace rushes::generation {

class SpeechTrack {
 public:
  /// A video frame `frame` shows the samples from frame hz / fps on, `delay` frames later.
  SpeechTrack(int64_t hz, double fps, int64_t delay_frames = 0) : hz_(hz), fps_(fps), delay_(delay_frames) {}

  void hear(std::span<const float> samples) { tape_.add(samples); }
  /// Silence up to sample `until`.
  void pad(int64_t until) { tape_.pad(until); }
  void end() { ended_ = true; }

  bool ended() const { return ended_; }
  /// Samples from the beginning, forgotten ones included.
  int64_t heard() const { return tape_.end(); }
  /// Video frames that so many samples last, rounded up.
  int64_t frames(int64_t samples) const;
  /// Samples [first, end), which have been heard and not been forgotten; at most those that there are.
  std::vector<float> samples(int64_t first, int64_t end) const { return tape_.samples(first, end); }
  void forget_before(int64_t sample) { tape_.forget_before(sample); }

  /// The sound of video frames [first, end) of the video, up to sample `until`; less or none where there is no more.
  Audio sound(int64_t first, int64_t end, int64_t until) const;

  int64_t bytes() const { return tape_.bytes(); }

 private:
  int64_t sample(int64_t frame) const;

  int64_t hz_;
  double fps_;
  int64_t delay_;
  SampleTape tape_;
  bool ended_ = false;
};

}  // namespace rushes::generation
