#include "rushes/models/dinov2/preprocess.h"

#include "rushes/base/error.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"

namespace rushes::dinov2 {
namespace {

/// [H, W, 3] uint8 to [1, 3, H, W] float32.
at::Tensor normalised(const at::Tensor& image, const Colours& colours) {
  const auto row = [](const std::array<double, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}, at::kFloat);
  };
  const at::Tensor wide = image.to(at::kFloat) / 255;
  return ((wide - row(colours.mean)) / row(colours.std)).permute({2, 0, 1}).contiguous().unsqueeze(0);
}

/// Where a window of `wanted` in the middle of `size` begins, which is rounded down; negative: it is larger.
int64_t middle(int64_t size, int64_t wanted) {
  const int64_t twice = size - wanted;
  return twice >= 0 ? twice / 2 : -((1 - twice) / 2);
}

}  // namespace

at::Tensor squeezed(const at::Tensor& image, int64_t side, const Colours& colours) {
  return normalised(tensor::resize(image, side, side, tensor::Resampling::bilinear), colours);
}

at::Tensor cropped(const at::Tensor& image, int64_t shortest_edge, int64_t side, const Colours& colours) {
  require(image.dim() == 3 && image.size(0) > 0 && image.size(1) > 0, ErrorCode::invalid_argument,
          "the image must be [H, W, 3]");
  const int64_t H = image.size(0), W = image.size(1);
  const auto longer = [&](int64_t longest, int64_t shortest) { return shortest_edge * longest / shortest; };
  const int64_t height = H <= W ? shortest_edge : longer(H, W), width = H <= W ? longer(W, H) : shortest_edge;
  at::Tensor resized = tensor::resize(image, height, width, tensor::Resampling::bicubic, tensor::FixedPoint::torch);
  int64_t top = middle(height, side), left = middle(width, side);
  if (top < 0 || left < 0) {
    // The library puts the smaller picture where half of the border, rounded up, is before it.
    const auto before = [](int64_t size, int64_t wanted) { return (std::max(size, wanted) - size + 1) / 2; };
    const auto after = [&](int64_t size, int64_t wanted) {
      return std::max(size, wanted) - size - before(size, wanted);
    };
    resized = at::constant_pad_nd(
        resized, {0, 0, before(width, side), after(width, side), before(height, side), after(height, side)}, 0);
    top = std::max<int64_t>(0, top + before(height, side));
    left = std::max<int64_t>(0, left + before(width, side));
  }
  return normalised(resized.narrow(0, top, side).narrow(1, left, side), colours);
}

}  // namespace rushes::dinov2
