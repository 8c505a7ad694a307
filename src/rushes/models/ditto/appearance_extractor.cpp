#include "rushes/models/ditto/appearance_extractor.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/nn/convolution.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {

AppearanceExtractor::AppearanceExtractor(const tensor::WeightMap& weights, int64_t depth)
    : depth_(depth), first_(weights.under("first.conv."), weights.under("first.norm.")) {
  for (int i = 0; weights.contains(fmt::format("down_blocks.{}.conv.weight", i)); ++i) {
    const auto block = weights.under(fmt::format("down_blocks.{}.", i));
    down_.emplace_back(block.under("conv."), block.under("norm."));
  }
  second_weight_ = weights.at("second.weight", {-1, -1, 1, 1});
  const int64_t width = second_weight_.size(0);
  second_bias_ = weights.at("second.bias", {width});
  require(depth > 0 && width % depth == 0, ErrorCode::corrupt_data,
          "appearance extractor: {} channels cannot be a volume of depth {}", width, depth);
  const int64_t C = width / depth;
  for (int i = 0; weights.contains(fmt::format("resblocks_3d.3dr{}.conv1.weight", i)); ++i) {
    const auto block = weights.under(fmt::format("resblocks_3d.3dr{}.", i));
    blocks_.push_back({.norm1 = nn::ChannelNorm(block.under("norm1.")),
                       .norm2 = nn::ChannelNorm(block.under("norm2.")),
                       .weight1 = block.at("conv1.weight", {C, C, 3, 3, 3}),
                       .bias1 = block.at("conv1.bias", {C}),
                       .weight2 = block.at("conv2.weight", {C, C, 3, 3, 3}),
                       .bias2 = block.at("conv2.bias", {C})});
  }
}

at::Tensor AppearanceExtractor::forward(const at::Tensor& image) const {
  const int64_t factor = int64_t{1} << down_.size();
  require(image.dim() == 4 && image.size(1) == 3 && image.size(2) % factor == 0 && image.size(3) % factor == 0,
          ErrorCode::invalid_argument, "appearance extractor: expected images [B, 3, H, W] with sides that {} divides",
          factor);
  at::Tensor x = at::relu(first_(image));
  for (const nn::NormedConv& block : down_) x = at::avg_pool2d(at::relu(block(x)), 2);
  x = nn::same_conv(x, second_weight_, second_bias_);
  x = x.view({x.size(0), x.size(1) / depth_, depth_, x.size(2), x.size(3)});
  for (const VolumeBlock& block : blocks_) {
    const at::Tensor inner = nn::same_conv(at::relu(block.norm1(x)), block.weight1, block.bias1);
    x = x + nn::same_conv(at::relu(block.norm2(inner)), block.weight2, block.bias2);
  }
  return x.contiguous();
}

}  // namespace rushes::ditto
