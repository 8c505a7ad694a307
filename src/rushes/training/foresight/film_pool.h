// Encoded films of the world, kept for a while and drawn from at random: making one costs more than a training step on
// it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/ltx/vae.h"
#include "rushes/text/tokenizer.h"
#include "rushes/training/foresight/foresight_world.h"
#include "rushes/training/wan/text_to_video.h"

namespace rushes::training {

struct FilmBatch {
  at::Tensor latents;  // [B, C, F, h, w], normalised; the first frame is drawn from the picture's posterior
  at::Tensor weights;  // [B, F, h, w]: 0 where the latents are given, more where something happens
  Prompts prompts;     // the questions, [B, kPromptTokens]
};

/// One film and its question, as a batch of one. The drawing of a posterior is `index`'s own.
FilmBatch encoded_film(const ltx::Vae& vae, const text::Tokenizer& tokenizer, const ForesightScene& scene,
                       uint64_t index);

struct FilmPoolOptions {
  int64_t capacity = 2048;  // films kept
  uint64_t seed = 1, first = 0;
};

/// One thread.
class FilmPool {
 public:
  FilmPool(const FilmPoolOptions& options, const ltx::Vae& vae, const text::Tokenizer& tokenizer);
  /// Makes the next `count` films.
  void refill(int64_t count);
  int64_t size() const { return std::ssize(films_); }
  /// Of films that are kept, chosen at random.
  FilmBatch batch(int64_t size);

 private:
  FilmPoolOptions options_;
  const ltx::Vae& vae_;
  const text::Tokenizer& tokenizer_;
  std::vector<FilmBatch> films_;
  uint64_t next_;
  Random random_;
};

}  // namespace rushes::training
