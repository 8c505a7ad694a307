#include "rushes/generation/first_image.h"

#include "rushes/tensor/ops.h"

namespace rushes::generation {

at::Tensor first_frame(const at::Tensor& image, int64_t height, int64_t width, Fit fit, ResizeImage resize) {
  const ShownPart part = shown_part(image.size(0), image.size(1), height, width, fit);
  const at::Tensor shown = image.slice(0, part.y1, part.y2).slice(1, part.x1, part.x2).contiguous();
  if (fit != Fit::pad) return resize(shown, height, width);
  const int64_t w = scaled_side(image.size(1), height, image.size(0), width),
                h = scaled_side(image.size(0), width, image.size(1), height);
  at::Tensor frame = at::full({1, 3, 1, height, width}, -1.0, at::TensorOptions(at::kFloat));
  frame.narrow(3, (height - h) / 2, h).narrow(4, (width - w) / 2, w).copy_(resize(shown, h, w));
  return frame;
}

}  // namespace rushes::generation
