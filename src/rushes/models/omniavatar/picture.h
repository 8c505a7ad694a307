// The picture that a video begins with: the size that its proportions choose, and its pixels.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "rushes/models/omniavatar/picture_size.h"

namespace rushes::omniavatar {

/// image [h, w, 3] uint8, resized to `resized` (bilinear, with antialiasing where it shrinks), then cut or filled with
/// black on both sides to `frame`. Returns [1, 3, 1, H, W] float32 in [-1, 1]. An odd row that is too many is cut off
/// at the top, one that is missing is added at the bottom; columns likewise.
at::Tensor picture_pixels(const at::Tensor& image, Size resized, Size frame);

}  // namespace rushes::omniavatar
