#include "rushes/models/ditto/dense_motion.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/grid_sampler_3d.h>
#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/nn/convolution.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

constexpr double kHeatVariance = 0.01;

/// exp(-|g - p|^2 / (2 variance)) around each keypoint: grid [D, H, W, 3], points [B, K, 3]. Returns [B, K, D, H, W].
/// The Gaussian of a distance is the product of those along the axes.
at::Tensor heat(const at::Tensor& grid, const at::Tensor& points) {
  const auto along = [&](const at::Tensor& positions, int64_t axis) {  // [B, K, n]
    const at::Tensor apart = positions - points.select(2, axis).unsqueeze(-1);
    return at::exp(apart * apart * (-0.5 / kHeatVariance));
  };
  const at::Tensor x = along(grid.select(0, 0).select(0, 0).select(1, 0), 0),
                   y = along(grid.select(0, 0).select(1, 0).select(1, 1), 1),
                   z = along(grid.select(1, 0).select(1, 0).select(1, 2), 2);
  return z.unsqueeze(-1).unsqueeze(-1) * y.unsqueeze(2).unsqueeze(-1) * x.unsqueeze(2).unsqueeze(2);
}

/// Means of 2 by 2 cells of each slice of [B, C, D, H, W]: pooling of volumes has no bfloat16.
at::Tensor halved(const at::Tensor& x) {
  const at::Tensor slices = x.transpose(1, 2);  // channels last in memory stay so
  return at::avg_pool2d(slices.flatten(0, 1), at::IntArrayRef{2, 2})
      .unflatten(0, {x.size(0), x.size(2)})
      .transpose(1, 2);
}

}  // namespace

at::Tensor identity_grid(int64_t depth, int64_t height, int64_t width) {
  const auto axis = [](int64_t n) {
    return at::arange(n, at::TensorOptions(at::kFloat)) * 2 / static_cast<double>(std::max<int64_t>(n - 1, 1)) - 1;
  };
  const at::Tensor x = axis(width).view({1, 1, -1}).expand({depth, height, width}),
                   y = axis(height).view({1, -1, 1}).expand({depth, height, width}),
                   z = axis(depth).view({-1, 1, 1}).expand({depth, height, width});
  return at::stack({x, y, z}, -1);
}

at::Tensor sample_volume(const at::Tensor& volume, const at::Tensor& grid) {
  constexpr int64_t kBilinear = 0, kZeros = 0;
  return at::grid_sampler_3d(volume.to(at::kFloat), grid, kBilinear, kZeros, /*align_corners=*/false)
      .to(volume.scalar_type());
}

DenseMotionNetwork::DenseMotionNetwork(const tensor::WeightMap& all) {
  const tensor::WeightMap weights = all.under("dense_motion_network.");
  compress_ = nn::NormedConv(weights.under("compress."), weights.under("norm."));
  const auto blocks = [&](const std::string& key) {
    std::vector<nn::NormedConv> found;
    for (int i = 0; weights.contains(fmt::format("{}.{}.conv.weight", key, i)); ++i) {
      const auto block = weights.under(fmt::format("{}.{}.", key, i));
      found.emplace_back(block.under("conv."), block.under("norm."));
    }
    return found;
  };
  down_ = blocks("hourglass.encoder.down_blocks");
  up_ = blocks("hourglass.decoder.up_blocks");
  require(!down_.empty() && down_.size() == up_.size(), ErrorCode::corrupt_data,
          "dense motion: {} blocks down and {} up are not an hourglass", down_.size(), up_.size());
  const auto decoder = weights.under("hourglass.decoder.");
  last_ = nn::NormedConv(decoder.under("conv."), decoder.under("norm."));
  mask_weight_ = weights.at("mask.weight", {-1, -1, -1, -1, -1});
  mask_bias_ = weights.at("mask.bias", {mask_weight_.size(0)});
  occlusion_weight_ = weights.at("occlusion.weight", {1, -1, -1, -1});
  occlusion_bias_ = weights.at("occlusion.bias", {1});
}

at::Tensor DenseMotionNetwork::hourglass(const at::Tensor& x) const {
  std::vector<at::Tensor> levels{x};
  for (const nn::NormedConv& block : down_) levels.push_back(halved(at::relu(block(levels.back()))));
  at::Tensor y = levels.back();
  levels.pop_back();
  for (const nn::NormedConv& block : up_) {
    const at::Tensor& skip = levels.back();
    y = at::cat({at::relu(block(y, 2)), skip}, 1);
    levels.pop_back();
  }
  return at::relu(last_(y));
}

DenseMotion DenseMotionNetwork::forward(const at::Tensor& feature, const at::Tensor& kp_source,
                                        const at::Tensor& kp_driving) const {
  const int64_t B = feature.size(0), D = feature.size(2), H = feature.size(3), W = feature.size(4), K = keypoints();
  const int64_t factor = int64_t{1} << down_.size();
  require(feature.dim() == 5 && H % factor == 0 && W % factor == 0, ErrorCode::invalid_argument,
          "dense motion: expected a feature [B, C, D, H, W] with H and W divisible by {}", factor);
  require(kp_source.sizes() == at::IntArrayRef({B, K, 3}) && kp_driving.sizes() == kp_source.sizes(),
          ErrorCode::invalid_argument, "dense motion: expected keypoints [{}, {}, 3]", B, K);
  const at::Tensor grid = identity_grid(D, H, W).to(feature.device());
  // Candidate motions: the whole volume moves with one keypoint; the first one does not move.
  const at::Tensor moves = at::constant_pad_nd(kp_source - kp_driving, {0, 0, 1, 0});  // [B, K + 1, 3]
  const at::Tensor flows = grid + moves.view({B, K + 1, 1, 1, 1, 3});

  const at::Tensor compressed = at::relu(compress_(feature));
  const int64_t C = compressed.size(1);
  const at::Tensor moved =
      sample_volume(compressed.unsqueeze(1).expand({B, K + 1, C, D, H, W}).reshape({B * (K + 1), C, D, H, W}),
                    flows.view({B * (K + 1), D, H, W, 3}))
          .view({B, K + 1, C, D, H, W});
  const at::Tensor heats = at::constant_pad_nd(heat(grid, kp_driving) - heat(grid, kp_source),
                                               {0, 0, 0, 0, 0, 0, 1, 0});  // [B, K + 1, D, H, W]
  const at::Tensor seen =
      at::cat({heats.unsqueeze(2).to(moved.scalar_type()), moved}, 2).view({B, (K + 1) * (C + 1), D, H, W});

  const at::Tensor y = hourglass(seen);
  DenseMotion motion;
  motion.mask = at::softmax(nn::same_conv(y, mask_weight_, mask_bias_).to(at::kFloat), 1);
  motion.deformation = at::matmul(motion.mask.permute({0, 2, 3, 4, 1}), moves.view({B, 1, 1, K + 1, 3})) + grid;
  motion.occlusion = at::sigmoid(nn::same_conv(y.flatten(1, 2), occlusion_weight_, occlusion_bias_));
  return motion;
}

}  // namespace rushes::ditto
