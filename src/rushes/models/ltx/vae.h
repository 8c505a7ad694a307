// The video autoencoder of LTX-Video: 32 x smaller in height and width, 8 x in time, 0.9.0, 0.9.1 and 0.9.5.
// The decoder of the published models looks at all latent frames of a clip: only one that was trained causal decodes a
// beginning of it as it will stay.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "rushes/models/ltx/config.h"
#include "rushes/models/ltx/vae_decoder.h"
#include "rushes/models/ltx/vae_encoder.h"
#include "rushes/models/ltx/vae_tiling.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// Names and shapes of all parameters, as the diffusers library writes them.
tensor::Shapes parameter_shapes(const VaeConfig& config);

/// Floating-point operations of the decoder's convolutions for a clip of that many latents.
double decode_flop(const VaeConfig& config, int64_t latent_frames, int64_t height, int64_t width);

/// Any thread: no state. Trainable weights keep autograd.
class Vae {
 public:
  /// `weights` may lack the encoder or the decoder as a whole.
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  Vae(const VaeConfig& config, const tensor::WeightMap& weights);

  /// video [B, 3, T, H, W] in [-1, 1], T = 8k + 1, H and W multiples of 32. Throws Error(invalid_argument) for others,
  /// Error(unsupported) without an encoder.
  Posterior encode(const at::Tensor& video) const;
  Posterior encode(const at::Tensor& video, const Tiling& tiling) const;

  /// latents [B, C, F, h, w], denormalised. Returns [B, 3, 8 (F - 1) + 1, 32 h, 32 w], about -1 to 1, not clamped, in
  /// the dtype of the weights. Throws Error(unsupported) without a decoder, Error(invalid_argument) for other shapes.
  at::Tensor decode(const at::Tensor& latents, const DecodeCondition& condition = {}) const;
  at::Tensor decode(const at::Tensor& latents, const Tiling& tiling, const DecodeCondition& condition = {}) const;

  /// Of all latent frames at once, in spatial tiles where `tiling` has some.
  at::Tensor decode_frames(const at::Tensor& latents, const Tiling& tiling, const DecodeCondition& condition) const;
  /// Memory that decoding a video of this size takes at its most, with its frames, about. In pieces (`tiling`) less is
  /// on its way through the layers at once.
  int64_t decoding_bytes(int64_t video_frames, int64_t height, int64_t width, const Tiling& tiling) const;

  /// (z - mean) scaling_factor / std and back, float32: what the transformer works with has mean 0 and variance 1.
  at::Tensor normalise(const at::Tensor& z) const;
  at::Tensor denormalise(const at::Tensor& z) const;

  const VaeConfig& config() const noexcept { return config_; }
  at::ScalarType dtype() const noexcept { return dtype_; }
  at::Device device() const noexcept { return mean_.device(); }
  bool has_encoder() const noexcept { return encoder_ != nullptr; }

 private:
  const VaeDecoder& decoder() const;
  const VaeEncoder& encoder() const;

  VaeConfig config_;
  at::ScalarType dtype_;
  std::shared_ptr<const VaeEncoder> encoder_;
  std::shared_ptr<const VaeDecoder> decoder_;
  at::Tensor mean_, std_;  // [1, C, 1, 1, 1] float32
};

/// Decodes a clip in temporal tiles that overlap, each as soon as it is wanted: the first pixels come after one tile.
/// Tiles see less context than a whole decode, so the result differs from it.
class TemporalTiles {
 public:
  /// latents [B, C, F, h, w], denormalised, as Vae::decode() takes them; `tiling` as if framewise. `vae` is borrowed.
  TemporalTiles(const Vae& vae, at::Tensor latents, const Tiling& tiling, DecodeCondition condition = {});
  /// The next frames [B, 3, T, H, W], final: 1 + 8k of the first tile, 8k of the others. Undefined at the end.
  at::Tensor next();
  bool is_finished() const { return left_ == 0; }

 private:
  const Vae* vae_;
  at::Tensor latents_, previous_;
  Tiling tiling_;
  DecodeCondition condition_;
  int64_t first_ = 0;  // latent frame of the next tile
  int64_t left_ = 0;
};

}  // namespace rushes::ltx
