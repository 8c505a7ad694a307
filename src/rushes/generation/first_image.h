// The first frame of a video, made of an image that may have other proportions.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rushes/generation/fit.h"

namespace rushes::generation {

/// An image [H, W, 3] uint8 as [1, 3, 1, height, width] float32 in [-1, 1], without regard to its proportions: as a
/// family's reference resizes pictures.
using ResizeImage = at::Tensor (*)(const at::Tensor& image, int64_t height, int64_t width);

/// image [H, W, 3] uint8. Returns [1, 3, 1, height, width] float32 in [-1, 1].
at::Tensor first_frame(const at::Tensor& image, int64_t height, int64_t width, Fit fit, ResizeImage resize);

}  // namespace rushes::generation
