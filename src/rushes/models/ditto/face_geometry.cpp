#include "rushes/models/ditto/face_geometry.h"

#include <cmath>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

struct Point {
  double x, y;
};

/// Points whose means are the two eyes and the mouth.
struct Anchors {
  std::vector<int64_t> left_eye, right_eye, mouth;
};

Anchors anchors(int64_t points) {
  switch (points) {
    case 5: return {{0}, {1}, {3, 4}};
    case 68: return {{36, 39}, {42, 45}, {48, 54}};
    case 101: return {{39, 42, 45, 48}, {51, 54, 57, 60}, {75, 81}};
    case 106: return {{33, 35, 40, 39}, {87, 89, 94, 93}, {52, 61}};
    case 203: return {{0, 6, 12, 18}, {24, 30, 36, 42}, {48, 66}};
    default: fail(ErrorCode::invalid_argument, "a face must have 5, 68, 101, 106 or 203 points, got {}", points);
  }
}

Point mean(const at::Tensor& points, const std::vector<int64_t>& chosen) {
  const auto* values = points.const_data_ptr<float>();
  Point sum{0, 0};
  for (const int64_t i : chosen) {
    sum.x += values[2 * i];
    sum.y += values[2 * i + 1];
  }
  const auto n = static_cast<double>(chosen.size());
  return {sum.x / n, sum.y / n};
}

}  // namespace

Affine crop_map(const at::Tensor& given, int64_t side, const CropRule& rule) {
  require(given.dim() == 2 && given.size(1) == 2, ErrorCode::invalid_argument, "points of a face must be [n, 2]");
  const at::Tensor points = given.to(at::kCPU, at::kFloat).contiguous();
  const int64_t n = points.size(0);
  const Anchors chosen = anchors(n);
  const Point left = mean(points, chosen.left_eye), right = mean(points, chosen.right_eye),
              mouth = mean(points, chosen.mouth);
  const Point eyes{(left.x + right.x) / 2, (left.y + right.y) / 2};
  const double length = std::hypot(mouth.x - eyes.x, mouth.y - eyes.y);
  const Point down = length <= 1e-3 ? Point{0, 1} : Point{(mouth.x - eyes.x) / length, (mouth.y - eyes.y) / length};
  const Point across{down.y, -down.x};

  // The box of the points in the face's own axes, around their mean.
  Point centre{0, 0};
  const auto* values = points.const_data_ptr<float>();
  for (int64_t i = 0; i < n; ++i) centre = {centre.x + values[2 * i], centre.y + values[2 * i + 1]};
  centre = {centre.x / static_cast<double>(n), centre.y / static_cast<double>(n)};
  Point low{INFINITY, INFINITY}, high{-INFINITY, -INFINITY};
  for (int64_t i = 0; i < n; ++i) {
    const double x = values[2 * i] - centre.x, y = values[2 * i + 1] - centre.y;
    const Point turned{x * across.x + y * across.y, x * down.x + y * down.y};
    low = {std::min(low.x, turned.x), std::min(low.y, turned.y)};
    high = {std::max(high.x, turned.x), std::max(high.y, turned.y)};
  }
  const double size = std::max(high.x - low.x, high.y - low.y) * rule.scale;
  require(size > 0 && std::isfinite(size), ErrorCode::invalid_argument, "the points of the face have no extent");
  const double x = (low.x + high.x) / 2 + rule.shift_x * size, y = (low.y + high.y) / 2 + rule.shift_y * size;
  const Point middle{centre.x + across.x * x + down.x * y, centre.y + across.y * x + down.y * y};

  const double s = static_cast<double>(side) / size, half = static_cast<double>(side) / 2;
  if (!rule.rotate) return {{s, 0, half - s * middle.x, 0, s, half - s * middle.y}};
  double angle = std::acos(std::clamp(across.x, -1.0, 1.0));
  if (across.y < 0) angle = -angle;
  const double c = std::cos(angle), d = std::sin(angle);
  return {{s * c, s * d, half - s * (c * middle.x + d * middle.y),  //
           -s * d, s * c, half - s * (-d * middle.x + c * middle.y)}};
}

at::Tensor mapped(const at::Tensor& points, const Affine& map) {
  const at::Tensor m = map.matrix().to(points.device());
  return at::matmul(points.to(at::kFloat), m.narrow(0, 0, 2).narrow(1, 0, 2).t()) + m.narrow(0, 0, 2).select(1, 2);
}

Sides source_sides(int64_t height, int64_t width, int64_t longest) {
  Sides sides{height, width};
  if (std::max(height, width) > longest) {
    const auto other = [&](int64_t shorter, int64_t longer) {
      return static_cast<int64_t>(
          std::nearbyint(static_cast<double>(shorter) * (static_cast<double>(longest) / static_cast<double>(longer))));
    };
    sides = height > width ? Sides{longest, other(width, height)} : Sides{other(height, width), longest};
  }
  return {sides.height - sides.height % 2, sides.width - sides.width % 2};
}

at::Tensor soft_border(int64_t side, int64_t border) {
  at::Tensor weights = at::ones({side, side}, at::kFloat);
  auto* values = weights.data_ptr<float>();
  // How far outside the inner square, in borders: 1 at the outermost pixel.
  const auto outside = [&](int64_t i) {
    const int64_t from_edge = std::min(i, side - 1 - i);
    return from_edge >= border
               ? 0.0f
               : 1.0f - static_cast<float>(from_edge) / static_cast<float>(std::max<int64_t>(border - 1, 1));
  };
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x) values[y * side + x] = 1.0f - std::min(1.0f, std::hypot(outside(x), outside(y)));
  return weights;
}

PutBack::PutBack(const Affine& crop_to_frame, int64_t height, int64_t width, int64_t side) {
  const int64_t border = (side - static_cast<int64_t>(static_cast<double>(side) * 0.9)) / 2;
  const at::Tensor mask = soft_border(side, border).unsqueeze(-1);
  const at::Tensor all = at::clamp(warp_affine(mask, crop_to_frame, height, width), 0, 1);
  const at::Tensor rows = at::nonzero(all.amax(at::IntArrayRef{1, 2})),
                   columns = at::nonzero(all.amax(at::IntArrayRef{0, 2}));
  map_ = crop_to_frame;
  if (rows.numel() == 0) return;
  top_ = rows.min().item<int64_t>();
  left_ = columns.min().item<int64_t>();
  weights_ = all.slice(0, top_, rows.max().item<int64_t>() + 1)
                 .slice(1, left_, columns.max().item<int64_t>() + 1)
                 .contiguous();
}

at::Tensor PutBack::operator()(const at::Tensor& render, const at::Tensor& frame) const {
  at::Tensor result = frame.clone();
  if (!weights_.defined()) return result;
  const int64_t h = weights_.size(0), w = weights_.size(1);
  // The whole frame's map, so that each pixel is rounded as there.
  const at::Tensor drawn = warp_affine(render, map_, h, w, top_, left_);
  const at::Tensor below = frame.narrow(0, top_, h).narrow(1, left_, w).to(at::kFloat);
  const at::Tensor mixed = at::clamp(weights_ * drawn + (1 - weights_) * below, 0, 255);
  result.narrow(0, top_, h).narrow(1, left_, w).copy_(mixed.to(at::kByte));
  return result;
}

}  // namespace rushes::ditto
