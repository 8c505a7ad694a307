#include "rushes/models/ditto/pose.h"

#include <numbers>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

HeadMotion split(const at::Tensor& vector, double scale_offset) {
  const at::Tensor row = vector.to(at::kFloat).view({1, -1});
  int64_t from = 0;
  const auto take = [&](int64_t width) {
    from += width;
    return row.narrow(1, from - width, width);
  };
  HeadMotion motion;
  motion.scale = take(1) + scale_offset;
  motion.pitch = take(kBins);
  motion.yaw = take(kBins);
  motion.roll = take(kBins);
  motion.t = take(3);
  motion.exp = take(kExpression);
  if (from < row.size(1)) motion.kp = take(kExpression);
  return motion;
}

}  // namespace

HeadMotion from_motion_vector(const at::Tensor& vector) {
  require(vector.numel() == kMotion, ErrorCode::invalid_argument, "a motion frame has {} numbers, got {}", kMotion,
          vector.numel());
  return split(vector, 1.0);
}

HeadMotion from_source_vector(const at::Tensor& vector) {
  require(vector.numel() == kMotion + kExpression, ErrorCode::invalid_argument,
          "a source's motion has {} numbers, got {}", kMotion + kExpression, vector.numel());
  return split(vector, 0.0);
}

at::Tensor motion_vector(const HeadMotion& motion) {
  return at::cat({motion.scale - 1, motion.pitch, motion.yaw, motion.roll, motion.t, motion.exp}, 1);
}

at::Tensor degrees(const at::Tensor& angle) {
  if (angle.size(1) != kBins) return angle;
  const at::Tensor bins = at::arange(kBins, at::TensorOptions(at::kFloat).device(angle.device()));
  return at::sum(at::softmax(angle.to(at::kFloat), 1) * bins, at::OptionalIntArrayRef(at::IntArrayRef{1}),
                 /*keepdim=*/true) *
             3 -
         97.5;
}

at::Tensor rotation(const at::Tensor& pitch, const at::Tensor& yaw, const at::Tensor& roll) {
  const auto parts = [](const at::Tensor& angle) {
    const at::Tensor radians = angle.view({-1}) / 180 * std::numbers::pi;
    return std::pair{at::cos(radians), at::sin(radians)};
  };
  const auto [cx, sx] = parts(pitch);
  const auto [cy, sy] = parts(yaw);
  const auto [cz, sz] = parts(roll);
  const at::Tensor one = at::ones_like(cx), zero = at::zeros_like(cx);
  const auto matrix = [](const std::vector<at::Tensor>& values) { return at::stack(values, 1).view({-1, 3, 3}); };
  const at::Tensor x = matrix({one, zero, zero, zero, cx, -sx, zero, sx, cx}),
                   y = matrix({cy, zero, sy, zero, one, zero, -sy, zero, cy}),
                   z = matrix({cz, -sz, zero, sz, cz, zero, zero, zero, one});
  return at::matmul(at::matmul(z, y), x).transpose(1, 2);
}

at::Tensor keypoints(const HeadMotion& motion, const at::Tensor& kp) {
  const int64_t B = kp.size(0);
  const at::Tensor turned =
      at::matmul(kp.view({B, -1, 3}), rotation(degrees(motion.pitch), degrees(motion.yaw), degrees(motion.roll)));
  const at::Tensor shift = at::constant_pad_nd(motion.t.narrow(1, 0, 2), {0, 1});  // t_z has no effect
  return (turned + motion.exp.view({B, -1, 3})) * motion.scale.view({B, 1, 1}) + shift.unsqueeze(1);
}

}  // namespace rushes::ditto
