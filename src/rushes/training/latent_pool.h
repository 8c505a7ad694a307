// Encoded clips with their captions, kept for a while and drawn from at random: encoding a clip costs about as much as
// a training step on it, so each one is used several times before a new one takes its place.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/text/tokenizer.h"
#include "rushes/training/drawing.h"
#include "rushes/training/text_to_video.h"
#include "rushes/training/world.h"

namespace rushes::training {

struct LatentPoolOptions {
  int64_t side = 96;          // pixels
  int64_t latent_frames = 3;  // of a clip; with more than one block every second clip begins in mid-motion
  int64_t capacity = 1024;    // clips kept
  uint64_t seed = 1, first = 0;
};

struct LatentBatch {
  at::Tensor latents;  // [B, C, F, h, w]
  Prompts prompts;
  at::Tensor from_start;  // [B] float: 1 where the clip begins at its first moment
  at::Tensor classes;     // [B, 6] int64: shape, colour, ground, motion, pace, extent
};

/// One thread.
class LatentPool {
 public:
  LatentPool(const LatentPoolOptions& options, const tensor::WeightMap& autoencoder, const text::Tokenizer& tokenizer);
  /// Encodes the next `count` clips into the pool.
  void refill(int64_t count);
  LatentBatch batch(int64_t size);

 private:
  struct Entry {
    at::Tensor latents;
    std::vector<int64_t> ids, mask, classes;
    bool from_start;
  };
  LatentPoolOptions options_;
  wan::TinyEncoder encoder_;
  const text::Tokenizer& tokenizer_;
  std::vector<Entry> entries_;
  uint64_t next_;
  Random random_;
  Drawing drawing_;
};

/// Labels as a row of LatentBatch::classes.
std::vector<int64_t> classes_of(const Labels& labels);

}  // namespace rushes::training
