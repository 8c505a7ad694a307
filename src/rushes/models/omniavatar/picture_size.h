// Sizes of pictures. Plain numbers.
#pragma once
#include <cstdint>
#include <span>

#include "rushes/base/trained_for.h"

namespace rushes::omniavatar {

using Size = FrameSize;

/// The published lists, by their longer side `max_hw`: 720 or 1280. Throws Error(invalid_argument) for another one.
std::span<const Size> published_sizes(int64_t max_hw);

/// The size of a list (which is not empty) whose proportions are nearest to the image's; of equal ones the last whose
/// longer side differs from the image's as that of the first does, as published.
Size nearest_size(Size image, std::span<const Size> sizes);

/// `image` enlarged or made smaller, proportions kept, until it covers the frame, or lies within it. Rounded down as
/// published, so that a side may be one short; at least 1.
Size covering(Size image, Size frame);
Size within(Size image, Size frame);

}  // namespace rushes::omniavatar
