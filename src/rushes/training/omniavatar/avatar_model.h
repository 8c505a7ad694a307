// The avatar as training sees it: text encoder and causal transformer in one weight map, batches of clips with all that
// conditions them, and the few-step sampler on whole batches.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/omniavatar/avatar_transformer.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/nn/flow_match.h"
#include "rushes/tensor/weight_map.h"
#include "rushes/training/wan/text_to_video.h"

namespace rushes::training {

/// Latent frames with what they follow from; the first of them may be the portrait itself.
struct AvatarBatch {
  at::Tensor latents;       // [B, C, F, h, w]
  at::Tensor condition;     // [B, C + 1, F, h, w], see omniavatar::condition_channels()
  at::Tensor features;      // [B, 4 F, feature_dim] of the speech
  Prompts prompts;          // [B, L]
  at::Tensor loss_weights;  // [B, F, h, w]: 0 where the latents are given, or the clip does not say how they came about
};

class AvatarModel {
 public:
  explicit AvatarModel(const tensor::WeightMap& weights);

  /// Text encoder rows [B, L, dim], padding zero.
  at::Tensor read(const Prompts& prompts) const { return text_.encode(prompts.ids, prompts.mask); }
  wan::TextContext context(const Prompts& prompts) const { return transformer_.context(read(prompts)); }

  /// Flow of all blocks at once, each after the clean ones before it: `clean` and `noisy` [B, C, F, h, w], `t` [B, F].
  /// Differentiable. Where a clip begins with its portrait that stands in the first frame of `noisy`, too.
  at::Tensor flow(const AvatarBatch& batch, const at::Tensor& clean, const at::Tensor& noisy,
                  const at::Tensor& t) const;

  const omniavatar::CausalAvatarTransformer& transformer() const { return transformer_; }

 private:
  tensor::WeightMap weights_;  // of the transformer
  wan::Umt5Encoder text_;
  omniavatar::CausalAvatarTransformer transformer_;
};

/// The schedule of training, of the few steps and of the shipped manifest.
nn::FlowMatchSchedule avatar_schedule();

/// `latents` with the portrait in the first frame of those samples whose mask says that it is given.
at::Tensor with_portrait(const AvatarBatch& batch, const at::Tensor& latents);

/// Block by block as the product does it, from `noise` like the latents; those are used where they are given only.
/// Fresh noise between steps comes from the global generator. Returns latents.
at::Tensor sample_few_steps(const AvatarModel& model, const AvatarBatch& batch, const at::Tensor& noise);

}  // namespace rushes::training
