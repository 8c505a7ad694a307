#include "rushes/models/ditto/face_mesh.h"

#include <array>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

constexpr int64_t kAnchors = 896, kDetectorSide = 128, kMeshSide = 256, kPoints = 478;
constexpr double kMinScore = 0.5, kMinOverlap = 0.3;

at::Tensor overlaps(const at::Tensor& box, const at::Tensor& boxes) {
  const at::Tensor low = at::maximum(box.narrow(0, 0, 2), boxes.narrow(1, 0, 2)),
                   high = at::minimum(box.narrow(0, 2, 2), boxes.narrow(1, 2, 2));
  const at::Tensor sides = at::clamp(high - low, 0);
  const auto area = [](const at::Tensor& of) {
    return (of.select(-1, 2) - of.select(-1, 0)) * (of.select(-1, 3) - of.select(-1, 1));
  };
  const at::Tensor shared = sides.select(1, 0) * sides.select(1, 1);
  return shared / (area(box) + area(boxes) - shared);
}

}  // namespace

at::Tensor mesh_anchors() {
  at::Tensor anchors = at::ones({kAnchors, 4}, at::kFloat);
  float* row = anchors.data_ptr<float>();
  const std::array<std::pair<int, int>, 2> grids{{{16, 2}, {8, 6}}};
  for (const auto& [cells, each] : grids)
    for (int y = 0; y < cells; ++y)
      for (int x = 0; x < cells; ++x)
        for (int k = 0; k < each; ++k, row += 4) {
          row[0] = (static_cast<float>(x) + 0.5f) / static_cast<float>(cells);
          row[1] = (static_cast<float>(y) + 0.5f) / static_cast<float>(cells);
        }
  return anchors;
}

at::Tensor mesh_detector_input(const at::Tensor& image) {
  return (resize_bilinear(image, kDetectorSide, kDetectorSide).to(at::kFloat) / 127.5 - 1).unsqueeze(0);
}

at::Tensor mesh_detections(const at::Tensor& regressors, const at::Tensor& classificators) {
  require(regressors.numel() == kAnchors * 16 && classificators.numel() == kAnchors, ErrorCode::corrupt_data,
          "the mesh's face detector must answer with [1, {}, 16] and [1, {}, 1]", kAnchors, kAnchors);
  const at::Tensor raw = regressors.to(at::kFloat).view({kAnchors, 16}) / kDetectorSide, anchors = mesh_anchors();
  const at::Tensor at = anchors.narrow(1, 0, 2), centre = raw.narrow(1, 0, 2) + at, half = raw.narrow(1, 2, 2) / 2;
  const at::Tensor points = (raw.narrow(1, 4, 12).unflatten(1, {6, 2}) + at.unsqueeze(1)).flatten(1);
  const at::Tensor scores = at::sigmoid(at::clamp(classificators.to(at::kFloat).view({kAnchors, 1}), -50, 100));
  const at::Tensor all = at::cat({(centre - half) * kDetectorSide, (centre + half) * kDetectorSide, points, scores}, 1);
  const at::Tensor good = at::index_select(all, 0, at::nonzero(scores.view({-1}).ge(kMinScore)).view({-1}));

  std::vector<at::Tensor> found;
  at::Tensor left = at::index_select(good, 0, at::argsort(good.select(1, 16), 0, /*descending=*/true));
  while (left.size(0) > 0) {
    const at::Tensor same = overlaps(left[0].narrow(0, 0, 4), left.narrow(1, 0, 4)).gt(kMinOverlap);
    const at::Tensor group = at::index_select(left, 0, at::nonzero(same).view({-1}));
    at::Tensor one = left[0].clone();
    if (group.size(0) > 1) {
      const at::Tensor weights = group.narrow(1, 16, 1);
      one.narrow(0, 0, 16).copy_(
          at::sum(group.narrow(1, 0, 16) * weights, at::OptionalIntArrayRef(at::IntArrayRef{0})) / at::sum(weights));
      one[16] = at::mean(weights);
    }
    found.push_back(one);
    // A box without extent overlaps nothing, itself neither.
    at::Tensor others = at::logical_not(same);
    others[0] = false;
    left = at::index_select(left, 0, at::nonzero(others).view({-1}));
  }
  return found.empty() ? at::empty({0, 17}, at::kFloat) : at::stack(found);
}

Affine MeshRegion::to_network() const {
  const double s = kMeshSide / side, c = std::cos(rotation), d = std::sin(rotation), half = kMeshSide / 2.0;
  return {{s * c, s * d, half - s * (c * x + d * y), -s * d, s * c, half - s * (-d * x + c * y)}};
}

MeshRegion mesh_region(const at::Tensor& detection, int64_t height, int64_t width) {
  const at::Tensor row = detection.to(at::kCPU, at::kDouble).contiguous();
  const double* v = row.const_data_ptr<double>();
  const double sx = static_cast<double>(height) / kDetectorSide, sy = static_cast<double>(width) / kDetectorSide;
  const double x1 = v[0] * sx, y1 = v[1] * sy, x2 = v[2] * sx, y2 = v[3] * sy, pi = std::acos(-1.0);
  double rotation = -std::atan2(v[5] - v[7], v[6] - v[4]);
  rotation -= 2 * pi * std::floor((rotation + pi) / (2 * pi));
  return {(x1 + x2) / 2, (y1 + y2) / 2, 1.5 * std::max(x2 - x1, y2 - y1), rotation};
}

at::Tensor mesh_input(const at::Tensor& image, const MeshRegion& region) {
  return (warp_affine(image, region.to_network(), kMeshSide, kMeshSide).to(at::kFloat) / 255).unsqueeze(0);
}

at::Tensor mesh_points(const at::Tensor& answer, const MeshRegion& region, int64_t height, int64_t width) {
  require(answer.numel() == 3 * kPoints, ErrorCode::corrupt_data, "the face mesh must answer with [1, {}]",
          3 * kPoints);
  const at::Tensor points = answer.to(at::kFloat).view({kPoints, 3}) / kMeshSide;
  const at::Tensor x = points.select(1, 0) - 0.5, y = points.select(1, 1) - 0.5;
  const double c = std::cos(region.rotation), d = std::sin(region.rotation), W = static_cast<double>(width),
               H = static_cast<double>(height);
  return at::stack({((x * c - y * d) * region.side + region.x) / W, ((x * d + y * c) * region.side + region.y) / H,
                    points.select(1, 2) * region.side / W},
                   1)
      .unsqueeze(0);
}

Eyes eyes_of(const at::Tensor& points) {
  require(points.dim() == 3 && points.size(1) == kPoints && points.size(2) == 3, ErrorCode::invalid_argument,
          "the points of face meshes must be [n, {}, 3]", kPoints);
  const auto point = [&](int64_t i) { return points.select(1, i); };
  const auto length = [](const at::Tensor& of) {
    return at::linalg_vector_norm(of, 2, at::OptionalIntArrayRef(at::IntArrayRef{-1}), /*keepdim=*/true);
  };
  struct Eye {
    std::array<int64_t, 2> corners;
    std::array<std::array<int64_t, 2>, 3> lids;
    int64_t iris;
  };
  const std::array<Eye, 2> eyes{{{{33, 133}, {{{145, 159}, {144, 160}, {153, 158}}}, 468},
                                 {{263, 362}, {{{374, 386}, {373, 387}, {380, 385}}}, 473}}};
  std::vector<at::Tensor> open, ball;
  for (const Eye& eye : eyes) {
    const at::Tensor across = point(eye.corners[0]) - point(eye.corners[1]), width = length(across);
    at::Tensor height = at::zeros_like(width);
    for (const auto& [upper, lower] : eye.lids) height = height + length(point(upper) - point(lower));
    open.push_back(height / (width + 1e-8));
    const at::Tensor off = point(eye.iris) - (point(eye.corners[0]) + point(eye.corners[1])) / 2,
                     distance = length(off);
    ball.push_back((off / (distance + 1e-8) - across / (width + 1e-8)) * distance);
  }
  return {at::cat(open, 1), at::stack(ball, 2).flatten(1)};  // x of both, y of both, z of both
}

}  // namespace rushes::ditto
