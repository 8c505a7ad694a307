// What the motion model is told of each frame: speech, emotion, eyes, and the resting face.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rushes::ditto {

inline constexpr int64_t kEmotions = 8;  // angry, disgust, fear, happy, neutral, sad, surprise, contempt

/// Row i of `count` frames that play to the end and back again: 0 .. count - 1, count - 1 .. 0, ...
int64_t mirror_index(int64_t i, int64_t count);

/// One row for each entry: softmax of 8 at its labels, 0 elsewhere. [m, 8] float32. Throws Error(invalid_argument) for
/// a label that is not from 0 to 7.
at::Tensor emotion_rows(const std::vector<std::vector<int64_t>>& labels);

/// Rows [audio | emotion 8 | eye_open 2 | eye_ball 6 | sc 63]; a part that is undefined is left out.
struct Conditions {
  at::Tensor emotion;        // [m, 8]; frame q has row q mod m
  at::Tensor eye_open;       // [n, 2]
  at::Tensor eye_ball;       // [n, 6]
  at::Tensor sc;             // [63], the resting keypoints of the first frame
  bool moving_eyes = false;  // frame q has row mirror_index(q, n) of the eyes (a video), else the first one

  /// audio [T, H] of the frames from `start` on, which may be negative: those before 0 have the rows of frame 0.
  /// Returns [T, A] float32.
  at::Tensor rows(const at::Tensor& audio, int64_t start) const;
};

}  // namespace rushes::ditto
