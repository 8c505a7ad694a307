// Between 8-bit pictures and the floating-point frames of the autoencoders.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rushes/tensor/image_resize.h"

namespace rushes::wan {

enum class PixelFormula {
  unit,       // trunc(clamp(x / 2 + 1/2, 0, 1) * 255): the reference's files and streams
  symmetric,  // trunc(clamp(x, -1, 1) * 127.5 + 127.5): its interactive demo
};

/// Pixel values in [-1, 1] (others are clamped) to 8 bit, any shape; both formulas truncate. NaN becomes 0.
at::Tensor to_uint8(const at::Tensor& x, PixelFormula formula = PixelFormula::unit);

/// video [T, 3, H, W] float in [-1, 1], any strides. Returns [T, H, W, 3] uint8, contiguous, on the CPU.
at::Tensor frames_to_uint8(const at::Tensor& video, PixelFormula formula = PixelFormula::unit);

/// The first picture of an image-to-video session: image [H, W, 3] uint8, resized to exactly height x width (the
/// aspect ratio is not kept). Returns [1, 3, 1, height, width] float32 in [-1, 1].
at::Tensor image_to_frame(const at::Tensor& image, int64_t height, int64_t width,
                          tensor::Resampling filter = tensor::Resampling::bilinear);

}  // namespace rushes::wan
