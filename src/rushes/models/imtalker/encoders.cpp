#include "rushes/models/imtalker/encoders.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {

AppearanceEncoder::AppearanceEncoder(const RendererConfig& config, const tensor::WeightMap& weights)
    : initial_(weights.under("initial_conv.0."), weights.under("initial_conv.1.")), identity_(weights) {
  blocks_.emplace_back(weights.under("down_block_0."), Resize::down);
  for (int64_t i = 0; i + 1 < config.levels(); ++i)
    blocks_.emplace_back(weights.under(fmt::format("down_blocks.{}.", i)), Resize::down);
}

Appearance AppearanceEncoder::forward(const at::Tensor& picture) const {
  require(picture.dim() == 4 && picture.size(1) == 3, ErrorCode::invalid_argument,
          "the appearance encoder expects images [B, 3, S, S], got {} axes", picture.dim());
  Appearance appearance;
  at::Tensor x = at::relu(initial_(picture));
  for (const ConvResBlock& block : blocks_) {
    x = block(x);
    appearance.maps.insert(appearance.maps.begin(), x);
  }
  appearance.identity = identity_(x.mean({2, 3}));
  return appearance;
}

MotionEncoder::MotionEncoder(const RendererConfig& config, const tensor::WeightMap& weights)
    : conv1_weight_(weights.at("conv1.weight", {config.motion_encoder_initial, 3, 3, 3})),
      conv1_bias_(weights.at("conv1.bias", {config.motion_encoder_initial})),
      last_bias_(weights.at("equalconv.bias", {-1})),
      last_(equal_conv_weight(weights, "equalconv.weight")),
      head_(weights) {
  for (std::size_t i = 0; i < config.motion_encoder_channels.size(); ++i)
    blocks_.emplace_back(weights.under(fmt::format("res_blocks.{}.", i)));
}

std::vector<at::Tensor> MotionEncoder::maps(const at::Tensor& picture) const {
  require(picture.dim() == 4 && picture.size(1) == 3, ErrorCode::invalid_argument,
          "the motion encoder expects images [B, 3, S, S], got {} axes", picture.dim());
  at::Tensor x = at::leaky_relu(at::conv2d(picture, conv1_weight_, conv1_bias_, 1, 1), 0.2);
  std::vector<at::Tensor> maps;
  for (const DownResBlock& block : blocks_) maps.push_back(x = block(x));
  return maps;
}

at::Tensor MotionEncoder::read(const at::Tensor& last_map) const {
  return head_(at::conv2d(last_map, last_(), last_bias_, 1, 1).mean({2, 3}));
}

IdentityAdaptation::IdentityAdaptation(const RendererConfig& config, const tensor::WeightMap& weights)
    : in_(weights.under("in_layer.")), head_(weights) {
  weights.at("in_layer.weight", {config.dim_app, config.dim_motion + config.dim_app});
}

at::Tensor IdentityAdaptation::forward(const at::Tensor& motion, const at::Tensor& identity) const {
  return head_(in_(at::cat({motion, identity.expand({motion.size(0), -1})}, 1)));
}

}  // namespace rushes::imtalker
