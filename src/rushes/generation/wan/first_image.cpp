#include "rushes/generation/wan/first_image.h"

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/models/wan/pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

/// `side` times `to / from`, at least 1 and at most `most`.
int64_t scaled(int64_t side, int64_t to, int64_t from, int64_t most) {
  const double exact = static_cast<double>(side) * static_cast<double>(to) / static_cast<double>(from);
  return std::clamp<int64_t>(std::llround(exact), 1, most);
}

}  // namespace

Fit fit_named(std::string_view text) {
  for (const Fit fit : {Fit::crop, Fit::pad, Fit::stretch})
    if (text == name(fit)) return fit;
  fail(ErrorCode::invalid_argument, "fit must be crop, pad or stretch (got '{}')", text.substr(0, 64));
}

ShownPart shown_part(int64_t image_height, int64_t image_width, int64_t height, int64_t width, Fit fit) {
  ShownPart part{0, 0, image_width, image_height};
  if (fit != Fit::crop) return part;
  const int64_t w = scaled(width, image_height, height, image_width),
                h = scaled(height, image_width, width, image_height);
  part.x1 = (image_width - w) / 2;
  part.y1 = (image_height - h) / 2;
  part.x2 = part.x1 + w;
  part.y2 = part.y1 + h;
  return part;
}

at::Tensor first_frame(const at::Tensor& image, int64_t height, int64_t width, Fit fit) {
  const ShownPart part = shown_part(image.size(0), image.size(1), height, width, fit);
  const at::Tensor shown = image.slice(0, part.y1, part.y2).slice(1, part.x1, part.x2).contiguous();
  if (fit != Fit::pad) return wan::image_to_frame(shown, height, width);
  const int64_t w = scaled(image.size(1), height, image.size(0), width),
                h = scaled(image.size(0), width, image.size(1), height);
  at::Tensor frame = at::full({1, 3, 1, height, width}, -1.0, at::TensorOptions(at::kFloat));
  frame.narrow(3, (height - h) / 2, h).narrow(4, (width - w) / 2, w).copy_(wan::image_to_frame(shown, h, w));
  return frame;
}

}  // namespace rushes::generation
