#include "rushes/models/imtalker/motion_decoder.h"

#include <fmt/format.h>

#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

constexpr int kLayers = 13, kLayersPerLevel = 3;

/// After one layer at the constant's own size: per level one layer that doubles the sides and two that keep them.
constexpr bool doubles(int layer) { return layer % kLayersPerLevel == 1; }
constexpr bool ends_level(int layer) { return layer > 0 && layer % kLayersPerLevel == 0; }

}  // namespace

MotionDecoder::MotionDecoder(const RendererConfig& config, const tensor::WeightMap& weights)
    : const_(weights.at("const", {1, config.const_dim, config.const_size, config.const_size})) {
  for (int i = 0; i < kLayers; ++i)
    layers_.emplace_back(weights.under(fmt::format("style_conv_layers.{}.", i)), doubles(i));
}

std::vector<at::Tensor> MotionDecoder::forward(const at::Tensor& motion) const {
  std::vector<at::Tensor> maps;
  at::Tensor x = const_;
  for (int i = 0; i < kLayers; ++i) {
    x = layers_[static_cast<std::size_t>(i)](x, motion);
    if (ends_level(i)) maps.push_back(x);
  }
  return maps;
}

}  // namespace rushes::imtalker
