#include "rushes/models/imtalker/face_crop.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

/// Half of a sum of two corners, rounded down.
int64_t middle(int64_t a, int64_t b) { return (a + b) >> 1; }

/// Moves [low, high) inside [0, size) where it hangs over, the lower end first.
void shift_inside(int64_t& low, int64_t& high, int64_t size) {
  if (low < 0) {
    high -= low;
    low = 0;
  }
  if (high > size) {
    low -= high - size;
    high = size;
  }
}

Square around(const FaceBox& box, int64_t height, int64_t width, const CropRule& rule) {
  // Corners are cut off to whole pixels first, as everything after counts in them.
  const auto x1 = static_cast<int64_t>(box.x1), y1 = static_cast<int64_t>(box.y1);
  const auto x2 = static_cast<int64_t>(box.x2), y2 = static_cast<int64_t>(box.y2);
  const auto half = static_cast<int64_t>(static_cast<double>(std::max(x2 - x1, y2 - y1)) * rule.crop_scale);
  const int64_t cx = middle(x1, x2), cy = middle(y1, y2);
  Square square{cx - half, cy - half, cx + half, cy + half};
  if (rule.shift_inside) {
    shift_inside(square.x1, square.x2, width);
    shift_inside(square.y1, square.y2, height);
  }
  square.x1 = std::max<int64_t>(square.x1, 0);
  square.y1 = std::max<int64_t>(square.y1, 0);
  const int64_t side = std::min(std::min(square.x2, width) - square.x1, std::min(square.y2, height) - square.y1);
  return {square.x1, square.y1, square.x1 + side, square.y1 + side};
}

}  // namespace

std::optional<Square> face_square(const std::vector<FaceBox>& boxes, int64_t height, int64_t width,
                                  const CropRule& rule) {
  const auto face =
      std::find_if(boxes.begin(), boxes.end(), [&](const FaceBox& box) { return box.score > rule.min_score; });
  if (face == boxes.end() && !rule.centre_if_none) return std::nullopt;
  Square square{};
  if (face != boxes.end()) {
    square = around(*face, height, width, rule);
  } else {
    const int64_t half = std::min(height, width) / 2, cx = width / 2, cy = height / 2;
    square = {cx - half, cy - half, cx + half, cy + half};
  }
  require(square.x2 > square.x1 && square.y2 > square.y1, ErrorCode::invalid_argument,
          "the square around the face is empty in an image of {}x{}; crop it by hand or use a larger image", width,
          height);
  return square;
}

Square driving_square(const std::vector<FaceBox>& faces, int64_t height, int64_t width) {
  if (faces.empty()) return face_square({}, height, width, CropRule::server(1)).value();
  const auto median = [&](auto of_box) {
    std::vector<double> values;
    for (const FaceBox& box : faces) values.push_back(of_box(box));
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  };
  const double w = median([](const FaceBox&b) { return b.x2 - b.x1; }),
               h = median([](const FaceBox&b) { return b.y2 - b.y1; });
  const int64_t side = std::min({static_cast<int64_t>(1.6 * std::max(w, h)), width, height});
  require(side > 0, ErrorCode::invalid_argument, "the faces of the driving video are too small");
  const auto begin = [&](double centre, int64_t size) {
    return std::clamp<int64_t>(static_cast<int64_t>(centre) - side / 2, 0, size - side);
  };
  const int64_t x = begin(median([](const FaceBox&b) { return (b.x1 + b.x2) / 2; }), width),
                y = begin(median([](const FaceBox&b) { return (b.y1 + b.y2) / 2; }), height);
  return {x, y, x + side, y + side};
}

at::Tensor border_mask(int64_t side, int64_t margin) {
  require(side > 0 && margin > 0, ErrorCode::invalid_argument,
          "a mask needs a side and a margin of at least 1, got {} and {}", side, margin);
  const at::Tensor i = at::arange(side, at::TensorOptions(at::kFloat));
  const at::Tensor distance = at::minimum(i, static_cast<double>(side - 1) - i);
  return at::clamp(at::minimum(distance.unsqueeze(0), distance.unsqueeze(1)) / static_cast<double>(margin), 0, 1);
}

at::Tensor paste_back(const at::Tensor& face, const at::Tensor& full, const Square& square, const at::Tensor& mask) {
  const int64_t h = square.y2 - square.y1, w = square.x2 - square.x1;
  require(square.x1 >= 0 && square.y1 >= 0 && h > 0 && w > 0 && square.x2 <= full.size(3) && square.y2 <= full.size(2),
          ErrorCode::invalid_argument, "the square [{}, {}) x [{}, {}) is not inside an image of {}x{}", square.x1,
          square.x2, square.y1, square.y2, full.size(3), full.size(2));
  const auto fitted = [&](const at::Tensor& x) { return at::upsample_bilinear2d(x, {h, w}, /*align_corners=*/false); };
  at::Tensor out = full.expand({face.size(0), -1, -1, -1}).clone(at::MemoryFormat::Contiguous);
  at::Tensor target = out.narrow(2, square.y1, h).narrow(3, square.x1, w);
  at::Tensor inside = fitted(face);
  if (mask.defined()) {
    const at::Tensor m = fitted(mask.unsqueeze(0).unsqueeze(0).to(face.options()));
    inside = inside * m + target * (1 - m);
  }
  target.copy_(inside);
  return out;
}

at::Tensor frames_to_pixels(const at::Tensor& frames, FrameRange range) {
  require(frames.dim() == 4, ErrorCode::invalid_argument, "frames have shape [{}], expected [B, 3, H, W]",
          fmt::join(frames.sizes(), ", "));
  at::Tensor x = frames.to(at::kCPU, at::kFloat).permute({0, 2, 3, 1});
  if (range == FrameRange::unit_or_signed) {
    const at::Tensor is_signed = at::amin(x, {1, 2, 3}, /*keepdim=*/true).lt(0);
    x = at::where(is_signed, (x + 1) / 2, x);
  }
  return (at::clamp(x, 0, 1) * 255).to(at::kByte).contiguous();
}

at::Tensor pixels_to_frames(const at::Tensor& pixels) {
  const at::Tensor batch = pixels.dim() == 3 ? pixels.unsqueeze(0) : pixels;
  require(batch.dim() == 4 && batch.size(3) == 3 && batch.scalar_type() == at::kByte, ErrorCode::invalid_argument,
          "images must be 8-bit [H, W, 3] or [B, H, W, 3], got [{}]", fmt::join(pixels.sizes(), ", "));
  return (batch.permute({0, 3, 1, 2}).to(at::kFloat) / 255).contiguous();
}

}  // namespace rushes::imtalker
