// A small anti-aliased rasteriser for drawn faces: ellipses and strokes in a rotated, scaled frame on an RGB picture.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

namespace rushes::training {

using Rgb = std::array<float, 3>;

struct Point {
  float x = 0, y = 0;
};

struct Ellipse {
  Point centre{};
  float rx = 1, ry = 1, angle = 0;  // radians, clockwise on the screen
};

/// Where the frame lies on the picture: p = origin + scale R(angle) q, in pixels.
struct Frame {
  Point origin{};
  float scale = 1, angle = 0;
};

/// Coverage of ellipses in pixels' terms: 1 inside, 0 outside, between on the rim. One thread.
class Canvas {
 public:
  explicit Canvas(int64_t side);
  void set_frame(const Frame& frame);

  /// All pixels: from `top_left` to `bottom_right` along the direction (cos, sin) of `angle`.
  void fill_gradient(const Rgb& from, const Rgb& to, float angle);
  /// The ellipse in one colour, inside all of `clips`, with opacity `alpha`; a clip with a negative rx keeps its
  /// outside.
  void ellipse(const Ellipse& shape, const Rgb& colour, float alpha = 1, const std::vector<Ellipse>& clips = {});
  /// The rim of an ellipse, `width` wide.
  void ring(const Ellipse& shape, const Rgb& colour, float width, float alpha = 1);
  /// Quadratic curve from a to c, bent towards b, `width` wide with round ends.
  void stroke(Point a, Point b, Point c, const Rgb& colour, float width, float alpha = 1);
  /// Multiplies the colours inside the ellipse by 1 - depth .. 1 + depth along the direction of `angle`.
  void light(const Ellipse& shape, float angle, float depth);

  /// [3, side, side] float32 in [0, 1].
  at::Tensor picture() const;
  /// A frame's point in pixels.
  Point on_picture(Point at) const;

 private:
  struct Box {
    int64_t left, top, right, bottom;
  };
  Box box(Point centre, float radius) const;
  Point in_frame(int64_t x, int64_t y) const;
  float inside(const Ellipse& shape, Point at) const;
  float distance(const Ellipse& shape, Point at) const;
  template <typename Coverage>
  void paint(const Box& box, const Rgb& colour, float alpha, Coverage coverage);

  int64_t side_;
  Frame frame_;
  float cos_ = 1, sin_ = 0, per_pixel_ = 1;
  std::vector<float> pixels_;  // planar
};

}  // namespace rushes::training
