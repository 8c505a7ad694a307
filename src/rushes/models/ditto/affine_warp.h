// Pixels through an affine map or to another size, in the fixed-point arithmetic of OpenCV 4: to the bit what networks
// that were trained on its crops see.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace rushes::ditto {

/// Two rows of three: x' = a0 x + a1 y + a2, y' = a3 x + a4 y + a5.
struct Affine {
  std::array<double, 6> a{1, 0, 0, 0, 1, 0};
  Affine inverse() const;
  /// From the upper rows of [3, 3] or [2, 3], and to [3, 3] float32.
  static Affine of(const at::Tensor& matrix);
  at::Tensor matrix() const;
};

/// Bilinear, 0 outside (warpAffine, INTER_LINEAR, BORDER_CONSTANT): image [H, W, C] uint8 or float32, `map` from its
/// pixels to those of the result [height, width, C], which has its type. With `top` and `left` the result begins at
/// that row and column: its pixels are to the bit those that a result from the first ones on has there.
at::Tensor warp_affine(const at::Tensor& image, const Affine& map, int64_t height, int64_t width, int64_t top = 0,
                       int64_t left = 0);

/// Bilinear (resize, INTER_LINEAR): image [H, W, C] uint8 to [height, width, C].
at::Tensor resize_bilinear(const at::Tensor& image, int64_t height, int64_t width);

/// Means of 2 by 2 pixels, rounded (resize, INTER_AREA): image [H, W, C] uint8 with even sides.
at::Tensor halve(const at::Tensor& image);

}  // namespace rushes::ditto
