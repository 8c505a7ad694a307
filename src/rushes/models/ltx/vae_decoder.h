// The decoder half of the LTX video autoencoder.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <vector>

#include "rushes/models/ltx/config.h"
#include "rushes/models/ltx/vae_layers.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ltx {

/// What decoders of 0.9.1 and later are told besides the latents; others ignore it.
struct DecodeCondition {
  double timestep = 0.0;  // 0 to 1: noise that is left in the latents
  /// The next map [height, width] of standard normal noise, for decoders that inject it: two for each resnet, in the
  /// order of the resnets. Null: no noise.
  SpatialNoise noise;
};

class VaeDecoder {
 public:
  /// Keys below "decoder.".
  VaeDecoder(const VaeConfig& config, const tensor::WeightMap& weights);
  /// As Vae::decode().
  at::Tensor forward(const at::Tensor& latents, const DecodeCondition& condition) const;

 private:
  struct UpBlock {
    std::optional<ResnetBlock> conv_in;
    std::optional<PixelUpsampler> upsampler;
    std::vector<ResnetBlock> resnets;
    std::optional<TimeEmbedder> time;
  };
  VaeConfig config_;
  VaeCompute compute_;
  Conv conv_in_, conv_out_;
  std::vector<ResnetBlock> mid_block_;
  std::optional<TimeEmbedder> mid_time_, time_;
  std::vector<UpBlock> up_blocks_;
  at::Tensor scale_shift_table_;  // [2, C]
  double timestep_scale_ = 1000;
};

}  // namespace rushes::ltx
