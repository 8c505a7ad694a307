#include "rushes/models/omniavatar/picture.h"

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

#include <ATen/ops/_upsample_bilinear2d_aa.h>

namespace rushes::omniavatar {
namespace {

Size scaled(Size image, double scale) {
  const auto side = [&](int64_t length) {
    return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(length) * scale));
  };
  return {side(image.height), side(image.width)};
}

double ratio(int64_t a, int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

}  // namespace

std::span<const Size> published_sizes(int64_t max_hw) {
  static constexpr Size k720[] = {{400, 720}, {720, 720}, {720, 400}};
  static constexpr Size k1280[] = {{720, 720}, {528, 960}, {960, 528}, {720, 1280}, {1280, 720}};
  require(max_hw == 720 || max_hw == 1280, ErrorCode::invalid_argument, "max_hw must be 720 or 1280 (got {})", max_hw);
  if (max_hw == 720) return k720;
  return k1280;
}

Size nearest_size(Size image, std::span<const Size> sizes) {
  RUSHES_ASSERT(!sizes.empty());
  const double wanted = ratio(image.height, image.width);
  const auto longer = [](Size size) { return std::max(size.height, size.width); };
  const auto difference = [&](Size size) { return std::abs(ratio(size.height, size.width) - wanted); };
  const auto off = [&](Size size) { return std::abs(longer(size) - longer(image)); };
  const Size* best = &sizes.front();
  const Size* first_of_best = best;  // its difference in length is the one that others must have
  for (const Size& size : sizes) {
    if (difference(size) < difference(*best))
      best = first_of_best = &size;
    else if (difference(size) == difference(*best) && off(size) == off(*first_of_best))
      best = &size;
  }
  return *best;
}

Size covering(Size image, Size frame) {
  return scaled(image, std::max(ratio(frame.height, image.height), ratio(frame.width, image.width)));
}

Size within(Size image, Size frame) {
  return scaled(image, std::min(ratio(frame.height, image.height), ratio(frame.width, image.width)));
}

at::Tensor picture_pixels(const at::Tensor& image, Size resized, Size frame) {
  at::Tensor x = image.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat).div(255);
  if (x.size(2) != resized.height || x.size(3) != resized.width)
    x = at::_upsample_bilinear2d_aa(x, {resized.height, resized.width}, /*align_corners=*/false);
  // What is to be cut counts as negative, and halves are rounded down: so the odd row goes before.
  const auto before = [](int64_t total) { return total >= 0 ? total / 2 : -((-total + 1) / 2); };
  const int64_t rows = frame.height - resized.height, columns = frame.width - resized.width;
  x = at::constant_pad_nd(x, {before(columns), columns - before(columns), before(rows), rows - before(rows)},
                          /*value=*/0);
  return (x * 2 - 1).unsqueeze(2);
}

}  // namespace rushes::omniavatar
