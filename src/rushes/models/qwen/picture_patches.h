// From a picture to what the vision tower reads.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rushes/models/qwen/config.h"

namespace rushes::qwen {

struct PictureSize {
  int64_t height = 0, width = 0;
  bool operator==(const PictureSize&) const = default;
};

/// The size to which a picture is resized: multiples of `factor` near its own (ties to the even multiple), with
/// min_pixels to max_pixels in all and its aspect. Throws Error(invalid_argument) for sides below 1 and for an aspect
/// beyond 1:200.
PictureSize smart_resize(PictureSize picture, int64_t factor, int64_t min_pixels, int64_t max_pixels);

/// Patches of pictures: frames in time, rows and columns; each row [t, h, w] int64. A still picture has t = 1.
struct PicturePatches {
  at::Tensor values;  // [N, 1176] float32: N = t h w; channel, time, row, column
  at::Tensor grid;    // [1, 3] int64
};

/// image [H, W, 3] uint8 RGB. Resized with smart_resize(), bicubic and antialiased, to 8 bits; (x / 255 - mean) / std;
/// cut into patches, those of a unit of merge_size x merge_size one after the other. As the tensor back end of the
/// published processor does it, to the bit.
/// Throws Error(invalid_argument) as smart_resize(), and for another shape or dtype.
PicturePatches picture_patches(const at::Tensor& image, const PictureConfig& config);

/// The same for a picture that has its size already: [h, w, 3] uint8 with sides that are multiples of the factor.
PicturePatches patches_of(const at::Tensor& resized, const PictureConfig& config);

}  // namespace rushes::qwen
