// Drawn speakers for the motion model: what they say, as the speech encoder hears it, how they feel, and how they move.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/ditto/speech_features.h"
#include "rushes/training/drawing.h"
#include "rushes/training/random.h"

namespace rushes::training {

/// Windows of motion with their conditions.
struct MotionBatch {
  at::Tensor motion;      // [B, T, 265]
  at::Tensor conditions;  // [B, T, A], ditto::Conditions::rows() with emotion and sc
  at::Tensor before;      // [B, 265]: pose of the frame before, the face at rest
};

/// Encoding a clip costs more than a step on one of its windows, so clips are kept and used again. One thread.
class MotionPool {
 public:
  MotionPool(uint64_t seed, uint64_t first, int64_t capacity, const ditto::SpeechFeatures& speech);
  void refill(int64_t count);
  /// Windows of `frames` frames. Each begins with the face at rest and finds into its motion in a few frames: the first
  /// frame is what motion is measured from, and the emotion must not be in it.
  MotionBatch batch(int64_t size, int64_t frames);
  /// Spread of each number of motion over all that is there, [265].
  at::Tensor spread() const;
  at::Tensor mean() const;

 private:
  struct Entry {
    at::Tensor motion, features, rest, kp, emotion;  // [T, 265], [T, H], [265], [63], [8]
  };
  at::Tensor all_motion() const;

  std::vector<Entry> entries_;
  int64_t capacity_;
  const ditto::SpeechFeatures& speech_;
  Random random_;
  Drawing drawing_;
};

}  // namespace rushes::training
