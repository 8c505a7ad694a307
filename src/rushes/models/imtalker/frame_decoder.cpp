#include "rushes/models/imtalker/frame_decoder.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {

FrameDecoder::FrameDecoder(const RendererConfig& config, const tensor::WeightMap& weights)
    : final_weight_(weights.at("final_conv.1.weight", {12, config.width(config.levels() - 1), 3, 3})),
      final_bias_(weights.at("final_conv.1.bias", {12})) {
  for (int64_t i = 0; i + 1 < config.levels(); ++i)
    levels_.push_back(
        {ConvResBlock(weights.under(fmt::format("upconv_blocks.{}.", i)), Resize::up),
         ConvResBlock(weights.under(fmt::format("resblocks.{}.", i)), Resize::none),
         SelfAttention(config, weights.under(fmt::format("transformer_blocks.{}.", i)), config.side(i + 1))});
}

at::Tensor FrameDecoder::forward(const std::vector<at::Tensor>& aligned) const {
  require(aligned.size() == levels_.size() + 1, ErrorCode::invalid_argument,
          "the frame decoder expects aligned features of {} levels, got {}", levels_.size() + 1, aligned.size());
  at::Tensor x = aligned[0].to(dtype());
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    const Level& level = levels_[i];
    x = level.attention.forward(level.merge(at::cat({level.up(x), aligned[i + 1].to(dtype())}, 1)));
  }
  x = at::conv2d(at::leaky_relu(x, 0.2), final_weight_, final_bias_, 1, 1);
  return at::sigmoid(at::pixel_shuffle(x, 2).to(at::kFloat));  // bfloat16 near 1 has steps of a whole pixel level
}

}  // namespace rushes::imtalker
