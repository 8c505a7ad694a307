#include "rushes/models/ditto/spade_decoder.h"

#include <fmt/format.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/nn/convolution.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

constexpr double kSlope = 0.2;

/// Each channel of each image with mean 0 and variance 1, no parameters; its sums in float32.
at::Tensor instance_norm(const at::Tensor& x) { return at::group_norm(x, x.size(1), {}, {}, 1e-5); }

at::Tensor doubled(const at::Tensor& x) { return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}); }

at::Tensor activated(const at::Tensor& x) { return at::leaky_relu(x, kSlope); }

}  // namespace

at::Tensor SpadeDecoder::Conv::operator()(const at::Tensor& x) const { return nn::same_conv(x, weight, bias); }

SpadeDecoder::Conv SpadeDecoder::plain(const tensor::WeightMap& weights) {
  const at::Tensor& weight = weights.at("weight", {-1, -1, -1, -1});
  return {weight, weights.at("bias", {weight.size(0)})};
}

// weight_orig / (u . (W v)), as the power iteration of the training left u and v. Files without them hold W itself.
SpadeDecoder::Conv SpadeDecoder::spectral(const tensor::WeightMap& weights) {
  Conv conv;
  if (!weights.contains("weight_orig")) {
    conv.weight = weights.at("weight", {-1, -1, -1, -1});
  } else {
    const at::Tensor& weight = weights.at("weight_orig", {-1, -1, -1, -1});
    const at::Tensor flat = weight.flatten(1).to(at::kFloat);
    const at::Tensor u = weights.at("weight_u", {flat.size(0)}).to(at::kFloat),
                     v = weights.at("weight_v", {flat.size(1)}).to(at::kFloat);
    conv.weight = (weight.to(at::kFloat) / at::dot(u, at::matmul(flat, v))).to(weight.scalar_type());
  }
  if (weights.contains("bias")) conv.bias = weights.at("bias", {conv.weight.size(0)});
  return conv;
}

SpadeDecoder::Spade SpadeDecoder::spade(const tensor::WeightMap& weights) {
  const Conv gamma = plain(weights.under("mlp_gamma.")), beta = plain(weights.under("mlp_beta."));
  return {plain(weights.under("mlp_shared.0.")),
          {at::cat({gamma.weight, beta.weight}), at::cat({gamma.bias, beta.bias})}};
}

SpadeDecoder::Block SpadeDecoder::block(const tensor::WeightMap& weights) {
  Block block{.norm0 = spade(weights.under("norm_0.")),
              .norm1 = spade(weights.under("norm_1.")),
              .norm_shortcut = {},
              .conv0 = spectral(weights.under("conv_0.")),
              .conv1 = spectral(weights.under("conv_1.")),
              .shortcut = {}};
  if (block.conv0.weight.size(1) != block.conv1.weight.size(0)) {
    block.norm_shortcut = spade(weights.under("norm_s."));
    block.shortcut = spectral(weights.under("conv_s."));
  }
  return block;
}

SpadeDecoder::SpadeDecoder(const tensor::WeightMap& weights) : fc_(plain(weights.under("fc."))) {
  for (int i = 0; weights.contains(fmt::format("G_middle_{}.conv_0.bias", i)); ++i)
    middle_.push_back(block(weights.under(fmt::format("G_middle_{}.", i))));
  for (const char* key : {"up_0.", "up_1."}) up_.push_back(block(weights.under(key)));
  const bool shuffled = weights.contains("conv_img.0.weight");
  image_ = plain(weights.under(shuffled ? "conv_img.0." : "conv_img."));
  if (shuffled) upscale_ = std::lround(std::sqrt(static_cast<double>(image_.weight.size(0)) / 3.0));
  require(image_.weight.size(0) == 3 * upscale_ * upscale_, ErrorCode::corrupt_data,
          "decoder: {} channels of the last convolution are not an image of three", image_.weight.size(0));
}

at::Tensor SpadeDecoder::modulated(const Spade& spade, const at::Tensor& x, const at::Tensor& normalised,
                                   const at::Tensor& feature) {
  const at::Tensor seen =
      nn::repeated_conv(feature, x.size(2) / feature.size(2), spade.shared.weight, spade.shared.bias);
  const auto parts = spade.gamma_beta(at::relu(seen)).chunk(2, 1);
  return at::addcmul(normalised + parts[1], normalised, parts[0]);
}

at::Tensor SpadeDecoder::residual(const Block& block, const at::Tensor& x, const at::Tensor& feature) {
  const at::Tensor normalised = instance_norm(x);
  at::Tensor dx = block.conv0(activated(modulated(block.norm0, x, normalised, feature)));
  dx = block.conv1(activated(modulated(block.norm1, dx, instance_norm(dx), feature)));
  return block.shortcut ? (*block.shortcut)(modulated(*block.norm_shortcut, x, normalised, feature)) + dx : x + dx;
}

at::Tensor SpadeDecoder::forward(const at::Tensor& bent) const {
  const at::Tensor feature = bent.contiguous(at::MemoryFormat::ChannelsLast);  // as the convolutions take it
  at::Tensor x = fc_(feature);
  for (const Block& block : middle_) x = residual(block, x, feature);
  for (const Block& block : up_) x = residual(block, doubled(x), feature);
  x = image_(activated(x));
  return at::sigmoid(upscale_ > 1 ? at::pixel_shuffle(x, upscale_) : x);
}

}  // namespace rushes::ditto
