// Windows of motion that overlap become one sequence.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "rushes/models/ditto/pose.h"

namespace rushes::ditto {

struct WindowOptions {
  int64_t frames = 80;   // T of a window
  int64_t overlap = 10;  // with the window before
  bool online = false;
  int64_t smoothing = 3;    // frames; 1 or less: none
  int64_t reset_every = 0;  // windows after which the condition frame is the start frame again; 0: never
  std::optional<std::pair<int64_t, int64_t>> carried;  // numbers [first, last) that go on also then
  at::Tensor lowest, highest;                          // [N] bounds of what is given out, or undefined

  int64_t fresh() const noexcept { return frames - overlap; }  // frames that a window adds
  int64_t fused() const noexcept { return online ? std::min(overlap, fresh()) : overlap; }
  /// Throws Error(invalid_argument) for an overlap that leaves no fresh frame, or, online, of less than half a window:
  /// frames would be lost.
  void check() const;
};

/// The sequence so far, and the frame that conditions the next window. Nothing here depends on how far the front was
/// cut.
class MotionFusion {
 public:
  /// `start_frame` [1, N]: of the source or the reference character.
  MotionFusion(const WindowOptions& options, at::Tensor start_frame);

  /// Adds a window's prediction [T, N] float32.
  void add(const at::Tensor& prediction);
  const at::Tensor& condition_frame() const noexcept { return condition_frame_; }
  const at::Tensor& sequence() const noexcept { return sequence_; }  // [n, N], not clipped
  int64_t length() const noexcept { return sequence_.defined() ? sequence_.size(0) : 0; }
  /// Rows [from, from + count), as many as there are, between the bounds.
  at::Tensor frames(int64_t from, int64_t count) const;
  void drop_front(int64_t rows);
  /// Offline, at the end: `count` frames, smoothed once more over everything.
  void finish(int64_t count);

 private:
  void smooth(int64_t from, int64_t to);

  WindowOptions options_;
  at::Tensor start_frame_, condition_frame_, sequence_;
  int64_t windows_ = 0;
};

/// Features of speech that arrive piece by piece become windows, and predictions become frames of motion: the frames do
/// not depend on how the features were cut.
class OnlineMotion {
 public:
  /// `prefill` [overlap, H]: features of silence before the first row.
  OnlineMotion(const WindowOptions& options, at::Tensor start_frame, at::Tensor prefill);

  void push(const at::Tensor& features);  // [n, H]
  void end();

  struct Window {
    at::Tensor features;  // [T, H]
    int64_t start;        // frame number of its first row; negative in the prefill
  };
  /// The next window to predict, or nothing until more features are there. The same one until accept().
  std::optional<Window> next() const;
  /// The prediction [T, N] of that window. Returns the frames of motion that it completes: [k, N], k = 0 for the first.
  at::Tensor accept(const at::Tensor& prediction);
  const at::Tensor& condition_frame() const noexcept { return fusion_.condition_frame(); }
  /// The first frame of the first window [1, N], which motion is measured from; undefined before.
  const at::Tensor& reference() const noexcept { return reference_; }

 private:
  int64_t rows_left() const;
  void take_waiting();

  WindowOptions options_;
  MotionFusion fusion_;
  at::Tensor features_, waiting_;
  int64_t at_ = 0;         // first row of the next window
  int64_t start_;          // its frame number
  int64_t given_out_ = 0;  // rows of the sequence that were given out
  bool ended_ = false;
  at::Tensor reference_;
};

}  // namespace rushes::ditto
