#include "rushes/models/qwen/picture_patches.h"

#include <fmt/ranges.h>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"

namespace rushes::qwen {
namespace {

constexpr int64_t kMostAspect = 200;

/// Per channel x -> (x - 255 mean) / (255 std), as the published processor folds it.
at::Tensor normalised(const at::Tensor& image, const PictureConfig& config) {
  const at::TensorOptions floats(at::kFloat);
  const at::Tensor mean = at::tensor(config.mean, floats) * 255, std = at::tensor(config.std, floats) * 255;
  return (image.to(at::kFloat) - mean) / std;
}

}  // namespace

PictureSize smart_resize(PictureSize picture, int64_t factor, int64_t min_pixels, int64_t max_pixels) {
  const auto [H, W] = picture;
  require(H > 0 && W > 0, ErrorCode::invalid_argument, "a picture must have at least one pixel, got {}x{}", W, H);
  require(std::max(H, W) <= kMostAspect * std::min(H, W), ErrorCode::invalid_argument,
          "a picture of {}x{} is too narrow: its aspect must be at most 1:{}", W, H, kMostAspect);
  const auto side = static_cast<double>(factor), height = static_cast<double>(H), width = static_cast<double>(W);
  // nearbyint rounds ties to even, as the reference's language does.
  const auto to_factor = [&](double sides) { return static_cast<int64_t>(sides) * factor; };
  PictureSize size{to_factor(std::nearbyint(height / side)), to_factor(std::nearbyint(width / side))};
  if (size.height * size.width > max_pixels) {
    const double shrink = std::sqrt(height * width / static_cast<double>(max_pixels));
    size = {std::max(factor, to_factor(std::floor(height / shrink / side))),
            std::max(factor, to_factor(std::floor(width / shrink / side)))};
  } else if (size.height * size.width < min_pixels) {
    const double grow = std::sqrt(static_cast<double>(min_pixels) / (height * width));
    size = {to_factor(std::ceil(height * grow / side)), to_factor(std::ceil(width * grow / side))};
  }
  return size;
}

PicturePatches patches_of(const at::Tensor& resized, const PictureConfig& config) {
  const int64_t side = config.patch_size, merge = config.merge_size, h = resized.size(0) / side,
                w = resized.size(1) / side, channels = resized.size(2);
  require(resized.size(0) % config.factor() == 0 && resized.size(1) % config.factor() == 0, ErrorCode::invalid_argument,
          "{}x{} are no multiples of {}", resized.size(1), resized.size(0), config.factor());
  // [block row, in block, y, block column, in block, x, channel] to the order of patches, then of their values.
  const at::Tensor cut = normalised(resized.cpu(), config)
                             .reshape({h / merge, merge, side, w / merge, merge, side, channels})
                             .permute({0, 3, 1, 4, 6, 2, 5})
                             .reshape({h * w, channels, 1, side * side});
  const at::Tensor values =
      cut.expand({-1, -1, config.temporal_patch_size, -1}).reshape({h * w, -1});  // a still picture lasts
  return {values, at::tensor(std::vector<int64_t>{1, h, w}, at::TensorOptions(at::kLong)).view({1, 3})};
}

PicturePatches picture_patches(const at::Tensor& image, const PictureConfig& config) {
  require(image.dim() == 3 && image.size(2) == 3 && image.scalar_type() == at::kByte, ErrorCode::invalid_argument,
          "a picture must be [H, W, 3] of 8-bit values, got [{}]", fmt::join(image.sizes(), ", "));
  const PictureSize size =
      smart_resize({image.size(0), image.size(1)}, config.factor(), config.min_pixels, config.max_pixels);
  // To the bit as the published processor's own operator has it: the texts of a small model show a level of difference.
  return patches_of(
      tensor::resize(image, size.height, size.width, tensor::Resampling::bicubic, tensor::FixedPoint::torch), config);
}

}  // namespace rushes::qwen
