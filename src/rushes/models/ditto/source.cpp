#include "rushes/models/ditto/source.h"

#include <algorithm>

#include "rushes/models/ditto/retargeting.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {

at::Tensor fitted(const at::Tensor& pixels, int64_t longest) {
  const Sides sides = source_sides(pixels.size(0), pixels.size(1), longest);
  if (sides == Sides{pixels.size(0), pixels.size(1)}) return pixels.clone();
  return resize_bilinear(pixels.contiguous(), sides.height, sides.width);
}

at::Tensor SourceEncoder::image(const at::Tensor& pixels, const Affine& to_crop) const {
  const at::Tensor crop = warp_affine(pixels, to_crop, crop_side(), crop_side());
  return (halve(crop).to(at::kFloat) / 255).permute({2, 0, 1}).unsqueeze(0).contiguous().to(device_);
}

HeadMotion SourceEncoder::motion(const at::Tensor& image) const {
  const MotionReading read = motion_.forward(image);
  const auto exact = [](const at::Tensor& value) { return value.to(at::kCPU, at::kFloat); };
  return {.scale = exact(read.scale),
          .pitch = exact(read.pitch),
          .yaw = exact(read.yaw),
          .roll = exact(read.roll),
          .t = exact(read.t),
          .exp = exact(read.exp),
          .kp = exact(read.kp)};
}

SourceFrame SourceEncoder::encode(const at::Tensor& pixels, const at::Tensor& points, const CropRule& rule) const {
  const Affine map = crop_map(points, crop_side(), rule);
  const at::Tensor seen = image(pixels, map);
  return {pixels, map.inverse(), motion(seen), appearance_.forward(seen)};
}

at::Tensor SourceEncoder::crop(const SourceFrame& frame) const {
  return warp_affine(frame.pixels, frame.crop_to_frame.inverse(), crop_side(), crop_side());
}

at::Tensor SourceEncoder::feature(const SourceFrame& frame) const {
  return appearance_.forward(image(frame.pixels, frame.crop_to_frame.inverse()));
}

void smooth(std::vector<SourceFrame>& frames, int64_t width) {
  const auto n = static_cast<int64_t>(frames.size());
  if (n < 2 || width <= 1) return;
  for (const Part name : {Part::scale, Part::pitch, Part::yaw, Part::roll, Part::t, Part::exp, Part::kp}) {
    std::vector<at::Tensor> rows;
    for (const SourceFrame& frame : frames) rows.push_back(part(frame.motion, name));
    const at::Tensor all = at::cat(rows);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t first = std::max<int64_t>(0, i - width / 2), last = std::min(n, i + width / 2 + 1);
      part(frames[static_cast<std::size_t>(i)].motion, name) =
          at::mean(all.narrow(0, first, last - first), at::OptionalIntArrayRef(at::IntArrayRef{0}), /*keepdim=*/true);
    }
  }
}

}  // namespace rushes::ditto
