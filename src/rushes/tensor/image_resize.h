// Resizing of 8-bit pictures, byte for byte as the imaging library of the published pipelines does it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::tensor {

enum class Resampling {
  bilinear,
  bicubic,  // a = -1/2
  lanczos,  // 3 lobes
};

/// Whose fixed-point weights: the results differ by one level here and there.
enum class FixedPoint {
  pillow,  // 22 bits behind the point; the order of passes depends on the sizes
  torch,   // 16 bits in all, so that vectors hold twice as many; horizontally first
};

/// Resizes an 8-bit picture [H, W, C] as Pillow does: separable, the filter stretched when shrinking, fixed-point
/// weights, each pass rounded to 8 bit; horizontally first, unless the height shrinks, by more than twice as many
/// pixels as the width. Throws Error(invalid_argument) for another dtype or shape and for sizes below 1.
at::Tensor resize(const at::Tensor& image, int64_t height, int64_t width, Resampling filter,
                  FixedPoint weights = FixedPoint::pillow);

}  // namespace rushes::tensor
