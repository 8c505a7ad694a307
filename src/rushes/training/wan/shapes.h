// The outlines of the procedural world: what draws them and what recognises them share one formula each.
#pragma once
#include <cstdint>

namespace rushes::training {

enum class Shape : int8_t { circle, square, triangle, star, ring, plus, heart, moon };
constexpr int kShapes = 8;

/// Signed distance of (x, y) from the outline, in units of the shape's radius, negative inside; y goes down. First
/// order near the outline, which is all that anti-aliasing needs. All lie within 1.25 of the origin.
float shape_distance(Shape shape, float x, float y);

/// How far the outline of a shape that may be turned reaches from its centre, in radii.
float shape_reach(Shape shape);

/// The angle in radians by which a turned shape looks as before; 0 if every angle does.
float shape_period(Shape shape);

}  // namespace rushes::training
