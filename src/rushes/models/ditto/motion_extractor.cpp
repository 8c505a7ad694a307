#include "rushes/models/ditto/motion_extractor.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/nn/convolution.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

constexpr double kEps = 1e-6;

}  // namespace

MotionExtractor::MotionExtractor(const tensor::WeightMap& all) {
  const tensor::WeightMap weights = all.under("detector.");
  const auto norm = [](const tensor::WeightMap& from, const std::string& key, int64_t width) {
    return Norm{from.at(key + ".weight", {width}), from.at(key + ".bias", {width})};
  };
  int64_t width = 3;
  for (int i = 0; weights.contains(fmt::format("downsample_layers.{}.0.weight", i)); ++i) {
    const auto down = weights.under(fmt::format("downsample_layers.{}.", i));
    const std::string conv = i == 0 ? "0" : "1", norm_key = i == 0 ? "1" : "0";
    const int64_t side = i == 0 ? 4 : 2;
    Stage stage;
    stage.weight = down.at(conv + ".weight", {-1, width, side, side});
    const int64_t out = stage.weight.size(0);
    stage.bias = down.at(conv + ".bias", {out});
    stage.norm = norm(down, norm_key, i == 0 ? out : width);
    width = out;
    for (int j = 0; weights.contains(fmt::format("stages.{}.{}.dwconv.weight", i, j)); ++j) {
      const auto own = weights.under(fmt::format("stages.{}.{}.", i, j));
      const int64_t inner = own.at("pwconv1.weight", {-1, width}).size(0);
      stage.blocks.push_back({.depthwise = own.at("dwconv.weight", {width, 1, 7, 7}),
                              .depthwise_bias = own.at("dwconv.bias", {width}),
                              .norm = norm(own, "norm", width),
                              .up = nn::Linear(own, "pwconv1", inner, width),
                              .down = nn::Linear(own, "pwconv2", width, inner),
                              .gamma = own.at("grn.gamma", {1, 1, 1, inner}),
                              .beta = own.at("grn.beta", {1, 1, 1, inner})});
    }
    stages_.push_back(std::move(stage));
  }
  require(!stages_.empty(), ErrorCode::corrupt_data,
          "motion extractor: the key 'detector.downsample_layers.0.0.weight' is missing");
  norm_ = norm(weights, "norm", width);
  const auto head = [&](const std::string& key) {
    return nn::Linear(weights, key, weights.at(key + ".weight", {-1, width}).size(0), width);
  };
  pitch_ = head("fc_pitch");
  yaw_ = head("fc_yaw");
  roll_ = head("fc_roll");
  t_ = head("fc_t");
  exp_ = head("fc_exp");
  scale_ = head("fc_scale");
  kp_ = head("fc_kp");
}

// x and the result [B, H, W, C].
at::Tensor MotionExtractor::block(const Block& block, const at::Tensor& x) {
  const at::Tensor spread = nn::same_conv(x.permute({0, 3, 1, 2}), block.depthwise, block.depthwise_bias, x.size(3));
  at::Tensor y = nn::layer_norm(spread.permute({0, 2, 3, 1}).contiguous(), block.norm.weight, block.norm.bias, kEps);
  y = at::gelu(block.up(y));
  // Global response normalisation (arXiv:2301.00808, section 4), its sums in float32.
  const at::Tensor wide = y.to(at::kFloat);
  const at::Tensor length =
      at::linalg_vector_norm(wide, 2, at::OptionalIntArrayRef(at::IntArrayRef{1, 2}), /*keepdim=*/true);
  const at::Tensor share =
      (length / (at::mean(length, at::OptionalIntArrayRef(at::IntArrayRef{-1}), /*keepdim=*/true) + kEps))
          .to(y.scalar_type());
  return x + block.down(block.gamma * (y * share) + block.beta + y);
}

MotionReading MotionExtractor::forward(const at::Tensor& image) const {
  const int64_t factor = int64_t{4} << (stages_.size() - 1);
  require(image.dim() == 4 && image.size(1) == 3 && image.size(2) >= factor && image.size(3) >= factor,
          ErrorCode::invalid_argument, "motion extractor: expected images [B, 3, H, W] with sides of at least {}",
          factor);
  at::Tensor x = image;  // [B, C, H, W] before a convolution, [B, H, W, C] in the blocks
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const Stage& stage = stages_[i];
    if (i == 0) {
      x = at::conv2d(x, stage.weight, stage.bias, 4).permute({0, 2, 3, 1}).contiguous();
      x = nn::layer_norm(x, stage.norm.weight, stage.norm.bias, kEps);
    } else {
      x = nn::layer_norm(x, stage.norm.weight, stage.norm.bias, kEps);
      x = at::conv2d(x.permute({0, 3, 1, 2}), stage.weight, stage.bias, 2).permute({0, 2, 3, 1}).contiguous();
    }
    for (const Block& each : stage.blocks) x = block(each, x);
  }
  const at::Tensor pooled = at::mean(x, at::OptionalIntArrayRef(at::IntArrayRef{1, 2}));
  const at::Tensor read = nn::layer_norm(pooled, norm_.weight, norm_.bias, kEps);
  return {pitch_(read), yaw_(read), roll_(read), t_(read), exp_(read), scale_(read), kp_(read)};
}

}  // namespace rushes::ditto
