// Which square of an image is the face, and how the drawn one goes back.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rushes/models/ditto/affine_warp.h"

namespace rushes::ditto {

struct CropRule {
  double scale = 2.3;       // side of the square, in larger sides of the points' box
  double shift_x = 0;       // of its centre, in sides, along the line of the eyes
  double shift_y = -0.125;  // and down the face
  bool rotate = true;       // the square stands as the face does
};

/// The map from an image's pixels to those of its square crop, `side` pixels wide, around points [n, 2] float32 in
/// pixels: n = 5, 68, 101, 106 or 203 in their published orders. Throws Error(invalid_argument) for another number.
Affine crop_map(const at::Tensor& points, int64_t side, const CropRule& rule);

/// points [n, 2] through a map, float32.
at::Tensor mapped(const at::Tensor& points, const Affine& map);

/// Sides of an image whose longer one is at most `longest`: the other keeps its ratio, rounded half to even; both even.
struct Sides {
  int64_t height, width;
  bool operator==(const Sides&) const = default;
};
Sides source_sides(int64_t height, int64_t width, int64_t longest);

/// Weights of a drawn square [side, side] float32: 1 inside, falling to 0 over `border` pixels.
at::Tensor soft_border(int64_t side, int64_t border);

/// Draws a square into frames: the weights, their warp and its box are computed once.
class PutBack {
 public:
  /// `crop_to_frame` maps pixels of the square to those of frames [height, width, 3].
  PutBack(const Affine& crop_to_frame, int64_t height, int64_t width, int64_t side = 512);
  /// render [side, side, 3] float32 in 0..255, frame [height, width, 3] uint8. Returns a new frame, truncated.
  at::Tensor operator()(const at::Tensor& render, const at::Tensor& frame) const;

 private:
  Affine map_;  // to the box
  int64_t top_ = 0, left_ = 0;
  at::Tensor weights_;  // [h, w, 1] of the box; empty if the square lies outside
};

}  // namespace rushes::ditto
