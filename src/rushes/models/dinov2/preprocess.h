// Pictures as DINOv2 wants them: small, in colours that are normalised as those it was trained with.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace rushes::dinov2 {

/// Of the red, green and blue of pictures in [0, 1]: ImageNet's.
struct Colours {
  std::array<double, 3> mean{0.485, 0.456, 0.406};
  std::array<double, 3> std{0.229, 0.224, 0.225};
};

/// What the deployed pipeline feeds the authors' file with: image [H, W, 3] uint8, squeezed into a square by Pillow's
/// bilinear filter. Returns [1, 3, side, side] float32. Throws Error(invalid_argument).
at::Tensor squeezed(const at::Tensor& image, int64_t side = 224, const Colours& colours = {});

/// What the transformers library does with its own: the shorter side to `shortest_edge` by a bicubic filter with
/// 16-bit weights, then the square of `side` in the middle (with black around it if the picture is smaller). Returns
/// [1, 3, side, side] float32. Throws Error(invalid_argument).
at::Tensor cropped(const at::Tensor& image, int64_t shortest_edge = 256, int64_t side = 224,
                   const Colours& colours = {});

}  // namespace rushes::dinov2
