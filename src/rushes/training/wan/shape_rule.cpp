#include "rushes/training/wan/shape_rule.h"

#include <array>
#include <bit>
#include <cmath>
#include <numbers>

namespace rushes::training {
namespace {

constexpr int kGrid = 48;         // cells on a side of the square in which patch and outlines are compared
constexpr double kReach = 1.05;   // half its side, in units of the square root of the area
constexpr double kAngleStep = 3;  // degrees
// Below, people would not agree on a name: drawings reach 0.9 at 13 pixels' radius, blobs of the same area 0.7.
constexpr double kLeastOverlap = 0.78;
constexpr int64_t kLeastPixels = 60;

using Bits = std::array<uint64_t, kGrid * kGrid / 64>;

struct Outline {
  Shape shape;
  double angle;
  Bits bits;
};

template <typename Inside>
Bits sample(Inside inside) {
  Bits bits{};
  for (int y = 0; y < kGrid; ++y)
    for (int x = 0; x < kGrid; ++x) {
      const double u = ((x + 0.5) / kGrid * 2 - 1) * kReach, v = ((y + 0.5) / kGrid * 2 - 1) * kReach;
      const auto cell = static_cast<std::size_t>(y * kGrid + x);
      if (inside(u, v)) bits[cell / 64] |= uint64_t{1} << (cell % 64);
    }
  return bits;
}

struct Moments {
  double area, x, y;
};

// Area and centre of a shape of radius 1.
Moments moments(Shape shape) {
  constexpr int kFine = 400;
  constexpr double step = 2.5 / kFine;
  Moments m{};
  for (int i = 0; i < kFine; ++i)
    for (int j = 0; j < kFine; ++j) {
      const double x = (j + 0.5) * step - 1.25, y = (i + 0.5) * step - 1.25;
      if (shape_distance(shape, static_cast<float>(x), static_cast<float>(y)) >= 0) continue;
      m.area += 1, m.x += x, m.y += y;
    }
  return {m.area * step * step, m.x / m.area, m.y / m.area};
}

std::vector<Outline> all_outlines() {
  std::vector<Outline> outlines;
  for (int i = 0; i < kShapes; ++i) {
    const auto shape = static_cast<Shape>(i);
    const Moments m = moments(shape);
    const double size = std::sqrt(m.area), period = shape_period(shape);
    const auto angles = std::max(1L, std::lround(period * 180 / std::numbers::pi / kAngleStep));
    for (long a = 0; a < angles; ++a) {
      const double angle = period * static_cast<double>(a) / static_cast<double>(angles);
      const double c = std::cos(angle), s = std::sin(angle);
      outlines.push_back({shape, angle, sample([&](double u, double v) {
                            const double x = u * size, y = v * size;
                            return shape_distance(shape, static_cast<float>(c * x + s * y + m.x),
                                                  static_cast<float>(c * y - s * x + m.y)) < 0;
                          })});
    }
  }
  return outlines;
}

double overlap(const Bits& a, const Bits& b) {
  int both = 0, either = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    both += std::popcount(a[i] & b[i]);
    either += std::popcount(a[i] | b[i]);
  }
  return static_cast<double>(both) / std::max(1, either);
}

}  // namespace

Patch largest_piece(const Patch& patch) {
  const int64_t plane = patch.height * patch.width;
  std::vector<int32_t> piece(static_cast<std::size_t>(plane), 0);
  std::vector<int64_t> waiting;
  int32_t count = 0, best = 0;
  int64_t best_size = 0;
  for (int64_t start = 0; start < plane; ++start) {
    if (!patch.inside[static_cast<std::size_t>(start)] || piece[static_cast<std::size_t>(start)]) continue;
    ++count;
    int64_t size = 0;
    const auto visit = [&](int64_t i) {
      auto& mark = piece[static_cast<std::size_t>(i)];
      if (!patch.inside[static_cast<std::size_t>(i)] || mark) return;
      mark = count, ++size;
      waiting.push_back(i);
    };
    visit(start);
    while (!waiting.empty()) {
      const int64_t i = waiting.back(), x = i % patch.width;
      waiting.pop_back();
      if (x > 0) visit(i - 1);
      if (x + 1 < patch.width) visit(i + 1);
      if (i >= patch.width) visit(i - patch.width);
      if (i + patch.width < plane) visit(i + patch.width);
    }
    if (size > best_size) best_size = size, best = count;
  }
  Patch result{std::vector<uint8_t>(static_cast<std::size_t>(plane), 0), patch.height, patch.width};
  for (std::size_t i = 0; best > 0 && i < piece.size(); ++i) result.inside[i] = piece[i] == best;
  return result;
}

ShapeReading read_shape(const Patch& patch) {
  static const std::vector<Outline> outlines = all_outlines();
  double area = 0, cx = 0, cy = 0;
  for (int64_t y = 0; y < patch.height; ++y)
    for (int64_t x = 0; x < patch.width; ++x) {
      if (!patch.inside[static_cast<std::size_t>(y * patch.width + x)]) continue;
      if (y == 0 || x == 0 || y + 1 == patch.height || x + 1 == patch.width) return {};
      ++area, cx += static_cast<double>(x) + 0.5, cy += static_cast<double>(y) + 0.5;
    }
  if (area < kLeastPixels) return {};
  cx /= area, cy /= area;
  const double size = std::sqrt(area);
  const Bits seen = sample([&](double u, double v) {
    const auto x = static_cast<int64_t>(std::floor(cx + u * size)), y = static_cast<int64_t>(std::floor(cy + v * size));
    return x >= 0 && y >= 0 && x < patch.width && y < patch.height &&
           patch.inside[static_cast<std::size_t>(y * patch.width + x)] != 0;
  });
  ShapeReading best;
  for (const Outline& outline : outlines)
    if (const double here = overlap(seen, outline.bits); here > best.overlap)
      best = {outline.shape, here, outline.angle};
  if (best.overlap < kLeastOverlap) best.shape.reset();
  return best;
}

}  // namespace rushes::training
