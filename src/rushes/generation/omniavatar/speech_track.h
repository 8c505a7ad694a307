// The speech of a session: what has come of it, what of it has not been seen yet, and where its utterances end. It is
// also the sound of the video. The same speech gives the same track in however many pieces it comes. No libtorch here.
#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "rushes/generation/event.h"

namespace rushes::generation {

class SpeechTrack {
 public:
  /// A video frame `frame` shows the samples from frame hz / fps on, `delay` frames later.
  SpeechTrack(int64_t hz, double fps, int64_t delay_frames = 0) : hz_(hz), fps_(fps), delay_(delay_frames) {}

  void hear(std::span<const float> samples) { samples_.insert(samples_.end(), samples.begin(), samples.end()); }
  /// Silence up to sample `until`.
  void pad(int64_t until);
  /// An utterance ends with video frame `frame` - 1; told when the video has shown all of it.
  void end_utterance(int64_t frame) { ends_.push_back(frame); }
  void end() { ended_ = true; }

  bool ended() const { return ended_; }
  /// Samples from the beginning, forgotten ones included.
  int64_t heard() const { return begin_ + static_cast<int64_t>(samples_.size()); }
  /// Video frames that so many samples last, rounded up.
  int64_t frames(int64_t samples) const;
  /// Samples [first, end), which have been heard and not been forgotten; at most those that there are.
  std::span<const float> samples(int64_t first, int64_t end) const;
  void forget_before(int64_t sample);

  /// The sound of video frames [first, end) of the video, up to sample `until`; less or none where there is no more.
  Audio sound(int64_t first, int64_t end, int64_t until) const;
  /// Utterances that are over when so many video frames have been shown; each is told once.
  int64_t utterances_over(int64_t video_frames);
  int64_t utterances() const { return static_cast<int64_t>(ends_.size()); }

  int64_t bytes() const { return static_cast<int64_t>(samples_.capacity() * sizeof(float)); }

 private:
  int64_t sample(int64_t frame) const;

  int64_t hz_;
  double fps_;
  int64_t delay_;
  std::vector<float> samples_;
  int64_t begin_ = 0;  // of samples_
  std::deque<int64_t> ends_;
  bool ended_ = false;
};

}  // namespace rushes::generation
