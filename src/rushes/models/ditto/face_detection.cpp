#include "rushes/models/ditto/face_detection.h"

#include <numeric>

#include "rushes/base/error.h"
#include "rushes/models/ditto/face_geometry.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

struct Letterbox {
  int64_t height, width;
  double scale;  // of the image
};

Letterbox letterbox(int64_t side, int64_t height, int64_t width) {
  const double ratio = static_cast<double>(height) / static_cast<double>(width), S = static_cast<double>(side);
  Letterbox box{side, side, 0};
  if (ratio > 1)
    box.width = static_cast<int64_t>(S / ratio);
  else
    box.height = static_cast<int64_t>(S * ratio);
  box.scale = static_cast<double>(box.height) / static_cast<double>(height);
  return box;
}

at::Tensor planes(const at::Tensor& image) { return image.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat); }

struct Box {
  float x1, y1, x2, y2, score;
  float area() const { return (x2 - x1 + 1) * (y2 - y1 + 1); }
  float overlap(const Box& other) const {
    const float w = std::max(0.0f, std::min(x2, other.x2) - std::max(x1, other.x1) + 1),
                h = std::max(0.0f, std::min(y2, other.y2) - std::max(y1, other.y1) + 1);
    return w * h / (area() + other.area() - w * h);
  }
};

}  // namespace

int64_t DetectedFaces::largest() const {
  if (boxes.size(0) == 0) return -1;
  const at::Tensor areas = (boxes.select(1, 2) - boxes.select(1, 0)) * (boxes.select(1, 3) - boxes.select(1, 1));
  return at::argmax(areas).item<int64_t>();
}

at::Tensor detector_input(const at::Tensor& image, int64_t side) {
  const Letterbox box = letterbox(side, image.size(0), image.size(1));
  require(box.height > 0 && box.width > 0, ErrorCode::invalid_argument, "an image of {}x{} is too narrow for a face",
          image.size(1), image.size(0));
  at::Tensor whole = at::zeros({side, side, 3}, at::kByte);
  whole.narrow(0, 0, box.height).narrow(1, 0, box.width).copy_(resize_bilinear(image, box.height, box.width));
  return (planes(whole).flip({1}) - 127.5) / 128;
}

DetectedFaces detected_faces(const std::vector<DetectorLevel>& levels, int64_t side, int64_t height, int64_t width,
                             double min_score, double max_overlap) {
  const auto scale = static_cast<float>(letterbox(side, height, width).scale);
  std::vector<Box> boxes;
  std::vector<std::vector<float>> points;
  for (const DetectorLevel& level : levels) {
    const int64_t cells = side / level.stride, count = 2 * cells * cells;
    require(level.scores.numel() == count && level.boxes.numel() == 4 * count && level.points.numel() == 10 * count,
            ErrorCode::corrupt_data, "the face detector's level of stride {} must have {} rows", level.stride, count);
    const at::Tensor scores = level.scores.to(at::kFloat).contiguous(), sides = level.boxes.to(at::kFloat).contiguous(),
                     offsets = level.points.to(at::kFloat).contiguous();
    const auto stride = static_cast<float>(level.stride);
    for (int64_t i = 0; i < count; ++i) {
      const float score = scores.const_data_ptr<float>()[i];
      if (!(score >= min_score)) continue;
      const int64_t cell = i / 2;
      const auto x = static_cast<float>(cell % cells) * stride, y = static_cast<float>(cell / cells) * stride;
      const float* d = sides.const_data_ptr<float>() + 4 * i;
      boxes.push_back({(x - d[0] * stride) / scale, (y - d[1] * stride) / scale, (x + d[2] * stride) / scale,
                       (y + d[3] * stride) / scale, score});
      const float* k = offsets.const_data_ptr<float>() + 10 * i;
      std::vector<float> own;
      for (int j = 0; j < 5; ++j) {
        own.push_back((x + k[2 * j] * stride) / scale);
        own.push_back((y + k[2 * j + 1] * stride) / scale);
      }
      points.push_back(std::move(own));
    }
  }
  std::vector<std::size_t> order(boxes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return boxes[a].score > boxes[b].score; });
  std::vector<std::size_t> kept;
  for (const std::size_t i : order)
    if (std::none_of(kept.begin(), kept.end(), [&](auto k) { return boxes[k].overlap(boxes[i]) > max_overlap; }))
      kept.push_back(i);

  const auto n = static_cast<int64_t>(kept.size());
  DetectedFaces faces{at::empty({n, 5}, at::kFloat), at::empty({n, 5, 2}, at::kFloat)};
  for (std::size_t k = 0; k < kept.size(); ++k) {
    const Box& box = boxes[kept[k]];
    const float row[] = {box.x1, box.y1, box.x2, box.y2, box.score};
    std::copy(std::begin(row), std::end(row), faces.boxes.data_ptr<float>() + 5 * k);
    std::copy(points[kept[k]].begin(), points[kept[k]].end(), faces.points.data_ptr<float>() + 10 * k);
  }
  return faces;
}

Affine landmark106_map(const at::Tensor& box) {
  const at::Tensor values = box.to(at::kCPU, at::kDouble).contiguous();
  const double* b = values.const_data_ptr<double>();
  const double s = 192 / (1.5 * std::max(b[2] - b[0], b[3] - b[1]));
  return {{s, 0, 96 - s * (b[0] + b[2]) / 2, 0, s, 96 - s * (b[1] + b[3]) / 2}};
}

at::Tensor landmark106_input(const at::Tensor& image, const Affine& map) {
  return planes(warp_affine(image, map, 192, 192)).flip({1});
}

at::Tensor landmark106_points(const at::Tensor& answer, const Affine& map) {
  return mapped((answer.to(at::kFloat).view({106, 2}) + 1) * 96, map.inverse());
}

at::Tensor landmark203_input(const at::Tensor& crop) { return planes(crop) / 255; }

at::Tensor landmark203_points(const at::Tensor& answer, const Affine& crop_to_image) {
  return mapped(answer.to(at::kFloat).view({203, 2}) * 224, crop_to_image);
}

}  // namespace rushes::ditto
