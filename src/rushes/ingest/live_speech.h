// Speech while it is spoken: a talking head gets one video frame's worth of it at a time, and silence where nothing has
// come in time, so that it moves on.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rushes/generation/session.h"

namespace rushes::ingest {

/// One thread.
class LiveSpeech {
 public:
  explicit LiveSpeech(std::shared_ptr<generation::Session> session);

  /// Samples of one video frame, at the session's speech_hz.
  int64_t step_samples() const noexcept { return step_samples_; }
  /// To be said before what is heard from now on, in [-1, 1] at speech_hz, however long it is.
  void say(std::span<const float> samples) { to_say_.insert(to_say_.end(), samples.begin(), samples.end()); }
  bool says() const noexcept { return !to_say_.empty(); }
  /// What was heard, in [-1, 1] at speech_hz. Of what is not yet due, the newest second is kept.
  void hear(std::span<const float> samples);
  /// To be called once for each video frame's time: feeds what is due, and gives it. Nothing, if a late speaker is
  /// waited for, or if `frames_shown` tells that the generator is slower than life: what is said meanwhile is dropped.
  std::optional<std::vector<float>> step(int64_t frames_shown);

 private:
  const std::shared_ptr<generation::Session> session_;
  const int64_t step_samples_;
  std::deque<float> to_say_, heard_;
  int64_t fed_ = 0;  // frames
  int patience_ = 0;
};

}  // namespace rushes::ingest
