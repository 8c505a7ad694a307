#include "rushes/training/face_world/canvas.h"

#include <algorithm>
#include <cmath>

#include "rushes/tensor/ops.h"

namespace rushes::training {

Canvas::Canvas(int64_t side) : side_(side), pixels_(static_cast<std::size_t>(3 * side * side)) {}

void Canvas::set_frame(const Frame& frame) {
  frame_ = frame;
  per_pixel_ = 1 / frame.scale;
  cos_ = std::cos(frame.angle);
  sin_ = std::sin(frame.angle);
}

Point Canvas::on_picture(Point at) const {
  return {frame_.origin.x + frame_.scale * (cos_ * at.x - sin_ * at.y),
          frame_.origin.y + frame_.scale * (sin_ * at.x + cos_ * at.y)};
}

Point Canvas::in_frame(int64_t x, int64_t y) const {
  const float dx = (static_cast<float>(x) + 0.5f - frame_.origin.x) * per_pixel_,
              dy = (static_cast<float>(y) + 0.5f - frame_.origin.y) * per_pixel_;
  return {cos_ * dx + sin_ * dy, cos_ * dy - sin_ * dx};
}

Canvas::Box Canvas::box(Point centre, float radius) const {
  const Point at = on_picture(centre);
  const float reach = radius * frame_.scale + 2;
  const auto clamped = [&](float value) {
    return std::clamp<int64_t>(static_cast<int64_t>(std::floor(value)), 0, side_);
  };
  return {clamped(at.x - reach), clamped(at.y - reach), clamped(at.x + reach + 1), clamped(at.y + reach + 1)};
}

/// First order in the distance from the rim, in pixels: (q - 1) / |grad q| with q = |(x / rx, y / ry)|.
float Canvas::distance(const Ellipse& shape, Point at) const {
  const float dx = at.x - shape.centre.x, dy = at.y - shape.centre.y;
  const float c = shape.angle == 0 ? 1 : std::cos(shape.angle), s = shape.angle == 0 ? 0 : std::sin(shape.angle);
  const float rx = std::abs(shape.rx), ry = shape.ry;
  const float u = (c * dx + s * dy) / rx, v = (c * dy - s * dx) / ry;
  const float q = std::sqrt(u * u + v * v);
  if (q < 1e-4f) return -std::min(rx, ry) * frame_.scale;
  const float slope = std::sqrt(u * u / (rx * rx) + v * v / (ry * ry)) / q;
  return (q - 1) / slope * frame_.scale;
}

float Canvas::inside(const Ellipse& shape, Point at) const {
  if (shape.angle == 0) {  // most pixels are far from the rim: no square roots for them
    const float rx = std::abs(shape.rx), u = (at.x - shape.centre.x) / rx, v = (at.y - shape.centre.y) / shape.ry;
    const float square = u * u + v * v, rim = 0.5f * per_pixel_ / std::min(rx, shape.ry);
    if (square > (1 + rim) * (1 + rim)) return shape.rx < 0 ? 1.0f : 0.0f;
    if (rim < 1 && square < (1 - rim) * (1 - rim)) return shape.rx < 0 ? 0.0f : 1.0f;
  }
  const float cover = std::clamp(0.5f - distance(shape, at), 0.0f, 1.0f);
  return shape.rx < 0 ? 1 - cover : cover;
}

template <typename Coverage>
void Canvas::paint(const Box& box, const Rgb& colour, float alpha, Coverage coverage) {
  const auto plane = static_cast<std::size_t>(side_ * side_);
  for (int64_t y = box.top; y < box.bottom; ++y)
    for (int64_t x = box.left; x < box.right; ++x) {
      const float cover = alpha * coverage(in_frame(x, y));
      if (cover <= 0) continue;
      float* pixel = pixels_.data() + y * side_ + x;
      for (std::size_t c = 0; c < 3; ++c) pixel[c * plane] += cover * (colour[c] - pixel[c * plane]);
    }
}

void Canvas::fill_gradient(const Rgb& from, const Rgb& to, float angle) {
  const float dx = std::cos(angle) / static_cast<float>(side_), dy = std::sin(angle) / static_cast<float>(side_);
  const auto half = static_cast<float>(side_) / 2;
  for (std::size_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < side_; ++y)
      for (int64_t x = 0; x < side_; ++x) {
        const float along = (static_cast<float>(x) - half) * dx + (static_cast<float>(y) - half) * dy;
        const float share = std::clamp(0.5f + along, 0.0f, 1.0f);
        pixels_[c * static_cast<std::size_t>(side_ * side_) + static_cast<std::size_t>(y * side_ + x)] =
            from[c] + share * (to[c] - from[c]);
      }
}

void Canvas::ellipse(const Ellipse& shape, const Rgb& colour, float alpha, const std::vector<Ellipse>& clips) {
  paint(box(shape.centre, std::max(shape.rx, shape.ry)), colour, alpha, [&](Point at) {
    float cover = inside(shape, at);
    for (const Ellipse& clip : clips)
      if (cover > 0) cover *= inside(clip, at);
    return cover;
  });
}

void Canvas::ring(const Ellipse& shape, const Rgb& colour, float width, float alpha) {
  const float half = width * frame_.scale / 2;
  paint(box(shape.centre, std::max(shape.rx, shape.ry) + width), colour, alpha,
        [&](Point at) { return std::clamp(0.5f + half - std::abs(distance(shape, at)), 0.0f, 1.0f); });
}

void Canvas::stroke(Point a, Point b, Point c, const Rgb& colour, float width, float alpha) {
  constexpr int kPieces = 8;
  std::array<Point, kPieces + 1> line;
  for (int i = 0; i <= kPieces; ++i) {
    const float t = static_cast<float>(i) / kPieces, s = 1 - t;
    line[static_cast<std::size_t>(i)] = {s * s * a.x + 2 * s * t * b.x + t * t * c.x,
                                         s * s * a.y + 2 * s * t * b.y + t * t * c.y};
  }
  const Point centre{(a.x + c.x) / 2, (a.y + c.y) / 2};
  const float reach =
      std::max({std::hypot(a.x - centre.x, a.y - centre.y), std::hypot(b.x - centre.x, b.y - centre.y)});
  const float half = width * frame_.scale / 2;
  paint(box(centre, reach + width), colour, alpha, [&](Point at) {
    float nearest = 1e9f;
    for (std::size_t i = 0; i < kPieces; ++i) {
      const float ex = line[i + 1].x - line[i].x, ey = line[i + 1].y - line[i].y;
      const float px = at.x - line[i].x, py = at.y - line[i].y;
      const float t = std::clamp((px * ex + py * ey) / (ex * ex + ey * ey + 1e-9f), 0.0f, 1.0f);
      nearest = std::min(nearest, (px - t * ex) * (px - t * ex) + (py - t * ey) * (py - t * ey));
    }
    return std::clamp(0.5f + half - std::sqrt(nearest) * frame_.scale, 0.0f, 1.0f);
  });
}

void Canvas::light(const Ellipse& shape, float angle, float depth) {
  const Box area = box(shape.centre, std::max(shape.rx, shape.ry));
  const auto plane = static_cast<std::size_t>(side_ * side_);
  const float dx = std::cos(angle) / shape.rx, dy = std::sin(angle) / shape.ry;
  for (int64_t y = area.top; y < area.bottom; ++y)
    for (int64_t x = area.left; x < area.right; ++x) {
      const Point at = in_frame(x, y);
      const float cover = inside(shape, at);
      if (cover <= 0) continue;
      const float along = (at.x - shape.centre.x) * dx + (at.y - shape.centre.y) * dy;
      const float gain = 1 + cover * depth * std::clamp(along, -1.0f, 1.0f);
      float* pixel = pixels_.data() + y * side_ + x;
      for (std::size_t c = 0; c < 3; ++c) pixel[c * plane] = std::clamp(pixel[c * plane] * gain, 0.0f, 1.0f);
    }
}

at::Tensor Canvas::picture() const {
  return at::from_blob(const_cast<float*>(pixels_.data()), {3, side_, side_}, at::TensorOptions(at::kFloat)).clone();
}

}  // namespace rushes::training
