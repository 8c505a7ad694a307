// Speech becomes motion: features of what was heard, a window of motion from them, and the frames that it completes.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "rushes/models/ditto/conditions.h"
#include "rushes/models/ditto/motion_noise.h"
#include "rushes/models/ditto/motion_sampler.h"
#include "rushes/models/ditto/motion_windows.h"
#include "rushes/models/ditto/speech_features.h"

namespace rushes::ditto {

/// A session's way from samples to frames of motion. Online, frames follow the speech with the delay of a window's
/// fresh frames; else they come all at once when the speech has ended, smoothed over everything. They do not depend on
/// how the speech was cut. One thread; a copy continues alike and shares nothing that is written to.
class SpeechMotion {
 public:
  /// Borrows `sampler` and what `features` borrow. `start_frame` [1, N]: motion vector of the source or the reference
  /// character.
  SpeechMotion(const SpeechFeatures& features, const MotionSampler& sampler, const WindowOptions& options,
               Conditions conditions, at::Tensor start_frame, MotionNoise noise);

  void hear(std::span<const float> samples);  // 16 kHz
  /// Nothing follows. Speech too short for one block is lengthened by silence.
  void end();

  /// What the next window added; for golden cases also what it was made from.
  struct Window {
    at::Tensor condition_frame;  // [1, N]
    at::Tensor rows;             // [1, T, A]
    at::Tensor motion;           // [1, T, N], before fusing
    at::Tensor frames;           // [k, N] frames of motion that are complete now
  };
  struct Progress {
    bool worked = false;  // false: nothing can be done before more speech, or all is done
    std::optional<Window> window;
  };
  /// One unit of work: the features of a few pieces of speech, or one window.
  Progress step();
  bool has_work() const { return !pieces_.empty() || window_is_next(); }
  /// The next unit of work is a window.
  bool window_is_next() const;
  /// And has been sampled already.
  bool is_prepared() const noexcept { return prepared_.has_value(); }
  /// Samples the next windows of several sessions in one batch, and keeps each for its own step(). Of each
  /// window_is_next() holds, and all have this one's sampler.
  static void predict_together(const std::vector<SpeechMotion*>& sessions);

  /// The emotions of windows that begin from now on.
  void set_emotion(at::Tensor rows) { conditions_.emotion = std::move(rows); }
  int64_t samples_heard() const noexcept { return heard_; }
  bool ended() const noexcept { return ended_; }
  /// Where motion is measured from, [1, N]; undefined before the first window, and where the first frame is it.
  const at::Tensor& reference() const noexcept { return online_->reference(); }
  bool is_online() const noexcept { return options_.online; }

 private:
  struct Prepared {
    at::Tensor condition_frame, rows, motion;
  };
  std::optional<OnlineMotion::Window> next_window() const;
  Prepared prepare(const OnlineMotion::Window& window) const;
  void take(const at::Tensor& features);
  at::Tensor accept(const at::Tensor& motion);
  const at::Tensor& condition_frame() const;

  SpeechFeatures speech_;
  const MotionSampler& sampler_;
  WindowOptions options_;
  Conditions conditions_;
  MotionNoise noise_;
  SpeechWindows cutter_;
  std::deque<std::vector<float>> pieces_;  // of speech, to be encoded
  std::optional<OnlineMotion> online_;
  // Offline: all features, and the sequence so far.
  std::optional<MotionFusion> whole_;
  at::Tensor rows_;
  int64_t window_begin_ = 0;
  bool finished_ = false;

  std::optional<Prepared> prepared_;
  int64_t heard_ = 0;
  bool ended_ = false;
};

}  // namespace rushes::ditto
