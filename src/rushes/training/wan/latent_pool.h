// Encoded clips with their captions, kept for a while and drawn from at random: encoding a clip costs about as much as
// a training step on it, so each one is used several times before a new one takes its place.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/text/tokenizer.h"
#include "rushes/training/drawing.h"
#include "rushes/training/wan/text_to_video.h"
#include "rushes/training/wan/world.h"

namespace rushes::training {

struct LatentPoolOptions {
  int64_t side = 128;         // pixels
  int64_t latent_frames = 3;  // of a clip; with more than one block every second clip begins in mid-motion
  int64_t capacity = 1024;    // clips kept
  uint64_t seed = 1, first = 0;
  int64_t threads = 1;           // that draw
  at::Device device = at::kCPU;  // where clips are encoded and batches are wanted
};

struct LatentBatch {
  at::Tensor latents;  // [B, C, F, h, w]
  Prompts prompts;
  at::Tensor from_start;  // [B] float: 1 where the clip begins at its first moment
  at::Tensor classes;     // [B, kClassCounts] int64, see classes_of()
};

/// [B, F, h, w]: more where a latent differs from its neighbours, in space or time: that is where shapes are lost, the
/// rest is flat and soon learnt. 0 in the first block of a clip that is cut from mid-motion, since its caption does not
/// say where it begins.
at::Tensor loss_weights(const LatentBatch& batch);

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

constexpr int64_t kBlock = 3;  // latent frames

/// How many values each thing has that a caption can say: shape, colour, ground, motion, pace, extent, tilt; shape and
/// colour of the second object, the last value for none.
constexpr std::array<int64_t, 9> kClassCounts{kShapes,  kColours, kGrounds,    kMotions,    kPaces,
                                              kExtents, 2,        kShapes + 1, kColours + 1};

/// A row of LatentBatch::classes.
std::vector<int64_t> classes_of(const Scene& scene);

}  // namespace rushes::training
