// What is added to the tokens of a video between the blocks of the transformer, one vector for each latent frame. Empty
// for Wan itself; a model that composes it with another condition, such as speech, gives one.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::wan {

struct FrameAdditions {
  at::Tensor values;        // [P, B, F, C], B = 1 serves any batch; undefined: nothing is added
  int64_t first_layer = 0;  // values[p] is added to what enters block first_layer + p

  /// Of the block `layer`: [B, F, C], or undefined.
  at::Tensor before(int64_t layer) const;
  /// Throws Error(invalid_argument) if the values do not fit so many samples, latent frames, channels and layers.
  void check(int64_t batch, int64_t latent_frames, int64_t channels, int64_t layers) const;
};

/// x [B, L, C] + addition [B or 1, F, C] for each of the L / F tokens of a latent frame; x itself where the addition is
/// undefined. Differentiable.
at::Tensor add_to_frames(const at::Tensor& x, const at::Tensor& addition);

}  // namespace rushes::wan
