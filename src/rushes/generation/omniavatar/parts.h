// The loaded networks that all sessions of an OmniAvatar model share.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "rushes/models/omniavatar/avatar_transformer.h"
#include "rushes/models/wan/autoencoder.h"
#include "rushes/models/wav2vec/encoder.h"

namespace rushes::generation {

/// Immutable; any thread.
struct OmniAvatarParts {
  // One of both.
  std::shared_ptr<const omniavatar::CausalAvatarTransformer> causal;
  std::shared_ptr<const omniavatar::AvatarTransformer> bidirectional;
  std::shared_ptr<const wan::Autoencoder> autoencoder;
  std::shared_ptr<const wav2vec::Encoder> speech;
  /// What the transformer is told for a prompt; cached.
  std::function<std::shared_ptr<const wan::TextContext>(const std::string& prompt)> context;
  bool rounds_times = false;  // CausalPipeline::Options

  const omniavatar::TransformerConfig& config() const { return causal ? causal->config() : bidirectional->config(); }
  /// Of latent frames that follow each other; see SpeechConditioner::forward.
  wan::FrameAdditions additions(const at::Tensor& features) const {
    const at::Tensor placed = features.to(options().device());
    return causal ? causal->speech(placed) : bidirectional->speech(placed);
  }
  at::TensorOptions options() const { return causal ? causal->options() : bidirectional->options(); }
  /// picture [1, 3, 1, H, W] float32 in [-1, 1], or the frames of a clip [1, 3, T, H, W]; in tiles where that is wanted
  /// and the autoencoder can. Returns [1, C, F, h, w] float32.
  at::Tensor encode(const at::Tensor& video, bool tiled) const;
  /// latents [1, C, F, h, w] of a whole clip. Returns [T, 3, H, W] float32 in [-1, 1].
  at::Tensor decode(const at::Tensor& latents, bool tiled) const;
};

}  // namespace rushes::generation
