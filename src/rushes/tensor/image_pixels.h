// Images as tensors.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include "rushes/base/image.h"

namespace rushes::tensor {

/// [H, W, 3] uint8 over the image's own memory: to be read while the image lives.
inline at::Tensor borrowed_pixels(const Image& image) {
  // from_blob takes a mutable pointer; what follows only reads.
  return at::from_blob(const_cast<uint8_t*>(image.rgb.get()), {image.height, image.width, 3}, at::kByte);
}

}  // namespace rushes::tensor
