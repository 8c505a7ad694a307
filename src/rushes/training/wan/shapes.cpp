#include "rushes/training/wan/shapes.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace rushes::training {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;

// Formulas: I. Quilez, "2D distance functions". All have their centre of gravity at the origin, so that a shape that
// spins stays where it is.
float circle(float x, float y) { return std::sqrt(x * x + y * y) - 0.9f; }
float ring(float x, float y) { return std::abs(std::sqrt(x * x + y * y) - 0.72f) - 0.24f; }
float box(float x, float y, float half_width, float half_height) {
  const float dx = std::abs(x) - half_width, dy = std::abs(y) - half_height;
  const float ox = std::max(dx, 0.0f), oy = std::max(dy, 0.0f);
  return std::sqrt(ox * ox + oy * oy) + std::min(std::max(dx, dy), 0.0f);
}
float triangle(float x, float y) {
  constexpr float k = std::numbers::sqrt3_v<float>, r = 0.95f;
  y = -y;
  x = std::abs(x) - r;
  y = y + r / k;
  if (x + k * y > 0) {
    const float turned = (x - k * y) / 2;
    y = (-k * x - y) / 2;
    x = turned;
  }
  x -= std::clamp(x, -2 * r, 0.0f);
  return -std::sqrt(x * x + y * y) * (y > 0 ? 1.0f : -1.0f);
}
float star(float x, float y) {
  // Five-fold symmetry: fold the angle into one sector, then the distance to the edge between tip and notch.
  constexpr float tip = 1.1f, notch = 0.46f, sector = kPi / 5;
  float angle = std::atan2(x, -y);
  angle = std::abs(std::remainder(angle, 2 * sector));
  const float r = std::sqrt(x * x + y * y);
  const float px = r * std::cos(angle), py = r * std::sin(angle);
  const float nx = notch * std::cos(sector), ny = notch * std::sin(sector);
  const float ex = nx - tip, ey = ny;
  const float h = std::clamp(((px - tip) * ex + py * ey) / (ex * ex + ey * ey), 0.0f, 1.0f);
  const float dx = px - tip - h * ex, dy = py - h * ey;
  const float side = ex * py - ey * (px - tip);
  return std::sqrt(dx * dx + dy * dy) * (side > 0 ? -1.0f : 1.0f);
}

float heart(float x, float y) {
  constexpr float scale = 1.7f;
  x = std::abs(x) / scale;
  y = 0.6565f - y / scale;
  const auto square = [](float a, float b) { return a * a + b * b; };
  if (x + y > 1) return (std::sqrt(square(x - 0.25f, y - 0.75f)) - std::numbers::sqrt2_v<float> / 4) * scale;
  const float fold = 0.5f * std::max(x + y, 0.0f);
  const float d = std::sqrt(std::min(square(x, y - 1), square(x - fold, y - fold)));
  return x > y ? d * scale : -d * scale;
}
float moon(float x, float y) {
  x -= 0.354f;
  const float outer = std::sqrt(x * x + y * y) - 0.95f;
  const float bite = std::sqrt((x - 0.52f) * (x - 0.52f) + y * y) - 0.76f;
  return std::max(outer, -bite);
}

}  // namespace

float shape_distance(Shape shape, float x, float y) {
  switch (shape) {
    case Shape::circle: return circle(x, y);
    case Shape::square: return box(x, y, 0.8f, 0.8f);
    case Shape::triangle: return triangle(x, y);
    case Shape::star: return star(x, y);
    case Shape::ring: return ring(x, y);
    case Shape::plus: return std::min(box(x, y, 0.95f, 0.32f), box(x, y, 0.32f, 0.95f));
    case Shape::heart: return heart(x, y);
    case Shape::moon: return moon(x, y);
  }
  return 1;
}

float shape_reach(Shape shape) {
  switch (shape) {
    case Shape::circle: return 0.9f;
    case Shape::square: return 1.13f;
    case Shape::triangle: return 1.1f;
    case Shape::star: return 1.1f;
    case Shape::ring: return 0.96f;
    case Shape::plus: return 1.0f;
    case Shape::heart: return 1.12f;
    case Shape::moon: return 1.2f;
  }
  return 1.25f;
}

float shape_period(Shape shape) {
  switch (shape) {
    case Shape::circle:
    case Shape::ring: return 0;
    case Shape::square:
    case Shape::plus: return kPi / 2;
    case Shape::triangle: return 2 * kPi / 3;
    case Shape::star: return 2 * kPi / 5;
    case Shape::heart:
    case Shape::moon: return 2 * kPi;
  }
  return 2 * kPi;
}

}  // namespace rushes::training
