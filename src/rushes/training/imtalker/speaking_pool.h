// Drawn speakers for the motion generator: what they say, as the speech encoder hears it, and how they move.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/imtalker/motion_generator.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/training/drawing.h"
#include "rushes/training/random.h"

namespace rushes::training {

/// Video frames of a speaker's clip; windows are cut from it.
constexpr int64_t kSpeakerFrames = 100;

/// A batch of windows with what came before, in the terms of the flow transformer.
struct SpeakingBatch {
  at::Tensor motion;                                 // [B, p + n, kControls]: past first
  at::Tensor features;                               // [B, p + n, dim_audio]
  at::Tensor pose, gaze, cam;                        // [B, p + n, 3 | 2 | 3]
  at::Tensor has_pose, has_gaze, has_cam, has_past;  // [B, 1, 1] float: 1 where given
  at::Tensor reference;                              // [B, kControls]
};

/// Encoding a clip costs more than a step on one of its windows, so clips are kept and used again. One thread.
class SpeakingPool {
 public:
  SpeakingPool(uint64_t seed, uint64_t first, int64_t capacity, const wav2vec::Encoder& encoder);
  void refill(int64_t count);
  /// Windows of `past` + `window` frames.
  SpeakingBatch batch(int64_t size, int64_t past, int64_t window);
  uint64_t drawn() const { return next_; }

 private:
  struct Entry {
    at::Tensor motion, features, pose, gaze, cam, reference;
    bool has_pose, has_gaze, has_cam;
  };
  std::vector<Entry> entries_;
  int64_t capacity_;
  const wav2vec::Encoder& encoder_;
  uint64_t next_;
  Random random_;
  Drawing drawing_;
};

}  // namespace rushes::training
