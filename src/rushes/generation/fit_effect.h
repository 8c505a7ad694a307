// Whether the option `fit` changes a first frame.
#pragma once
#include "rushes/generation/fit.h"

namespace rushes::generation {

inline constexpr const char* kNothingToFit = "the image has the proportions of the video";

/// Not of an image that fills the frame and is shown whole in any way.
inline bool fit_has_effect(const Image& image, int64_t height, int64_t width) {
  const ShownPart cropped = shown_part(image.height, image.width, height, width, Fit::crop);
  const bool shows_all = cropped.x2 - cropped.x1 == image.width && cropped.y2 - cropped.y1 == image.height;
  const bool fills_frame = scaled_side(image.width, height, image.height, width) == width &&
                           scaled_side(image.height, width, image.width, height) == height;
  return !shows_all || !fills_frame;
}

}  // namespace rushes::generation
