// The video half as training sees it: text encoder and transformer in one weight map ("text.*", "transformer.*").
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <memory>

#include "rushes/models/ltx/rope.h"
#include "rushes/models/ltx/transformer.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/tensor/weight_map.h"
#include "rushes/training/foresight/film_pool.h"

namespace rushes::training {

class ForesightVideo {
 public:
  explicit ForesightVideo(const tensor::WeightMap& weights);

  /// Rows of the text encoder [B, L, d_model], padding zero.
  at::Tensor read(const Prompts& prompts) const;
  ltx::TextContext context(const Prompts& prompts) const;

  const std::shared_ptr<const ltx::Transformer>& transformer() const { return transformer_; }

 private:
  t5::Encoder text_;
  std::shared_ptr<const ltx::Transformer> transformer_;
};

/// The rotary table of whole films.
ltx::RopeTable film_rope();

/// Rectified flow of a batch whose films follow `text`, one time of the schedule each: mean squared error of the
/// velocity, weighted. Differentiable.
at::Tensor flow_loss(const ltx::Transformer& transformer, const ltx::TextContext& text, const FilmBatch& batch,
                     const ltx::RopeTable& rope, const at::Generator& random);

/// The film [T, 3, H, W] in [0, 1] that follows from the first latent frame of a batch of one, as the product samples
/// it with its own settings.
at::Tensor sampled_film(const std::shared_ptr<const ltx::Transformer>& transformer, const ltx::Vae& vae,
                        const ltx::TextContext& text, const FilmBatch& film, uint64_t seed);

}  // namespace rushes::training
