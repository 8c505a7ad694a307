// The encoder half of the LTX video autoencoder.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "rushes/models/ltx/config.h"
#include "rushes/models/ltx/vae_layers.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// What a video may be encoded as: a normal distribution of latents, [B, C, F, h, w] float32 each.
struct Posterior {
  at::Tensor mean, logvar;  // logvar: one channel for all, clamped to [-30, 20]
  /// mean + exp(logvar / 2) noise; noise standard normal of the same shape.
  at::Tensor sample(const at::Tensor& noise) const;
};

class VaeEncoder {
 public:
  /// Keys below "encoder.".
  VaeEncoder(const VaeConfig& config, const tensor::WeightMap& weights);
  /// As Vae::encode().
  Posterior forward(const at::Tensor& video) const;
  /// The same in two: moments [B, C + 1, F, h, w], what tiles are blended in, and what they mean.
  at::Tensor moments(const at::Tensor& video) const;
  Posterior distribution(const at::Tensor& moments) const;
  /// Throws as forward() for a shape that it does not take.
  void check(const at::Tensor& video) const;

 private:
  struct DownBlock {
    std::vector<ResnetBlock> resnets;
    std::optional<Conv> strided;                  // 0.9.0, 0.9.1
    std::optional<PixelDownsampler> to_channels;  // 0.9.5
    std::optional<ResnetBlock> conv_out;
  };
  VaeConfig config_;
  VaeCompute compute_;
  Conv conv_in_, conv_out_;
  std::vector<DownBlock> down_blocks_;
  std::vector<ResnetBlock> mid_block_;
};

}  // namespace rushes::ltx
