// Which shape a patch of pixels is, by laying every known outline over it at the same centre, the same area and every
// angle. No learned judge.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "rushes/training/wan/shapes.h"

namespace rushes::training {

/// A patch of pixels: [height, width], 1 where the object is.
struct Patch {
  std::vector<uint8_t> inside;
  int64_t height = 0, width = 0;
};

/// The largest piece of `patch` whose pixels touch by their sides; the rest becomes 0.
Patch largest_piece(const Patch& patch);

struct ShapeReading {
  std::optional<Shape> shape;  // none: too small, cut by the rim of the picture, or like no known outline
  double overlap = 0;          // of the best outline: intersection over union, 0..1
  double angle = 0;            // clockwise, 0 .. shape_period
};

/// Any thread.
ShapeReading read_shape(const Patch& patch);

}  // namespace rushes::training
