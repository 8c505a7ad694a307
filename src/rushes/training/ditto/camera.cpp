#include "rushes/training/ditto/camera.h"

#include <ATen/ops/grid_sampler_2d.h>

#include "rushes/models/ditto/affine_warp.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

constexpr float kReach = 60;  // pixels of a keypoint's unit
constexpr int64_t kBeforeExpression = 1 + 3 * 66;

at::Tensor shift(const Camera& camera, int64_t width) {
  at::Tensor values = at::zeros({width}, at::kFloat);
  values.data_ptr<float>()[0] = camera.x / kReach;
  values.data_ptr<float>()[1] = camera.y / kReach;
  return values;
}

}  // namespace

Camera random_camera(Random& random) {
  if (random.uniform() < 0.35) return {};
  const auto between = [&](double low, double high) { return static_cast<float>(random.uniform(low, high)); };
  return {between(0.84, 1.18), between(-7, 7), between(-9, 9)};
}

at::Tensor seen(const at::Tensor& picture, const Camera& camera) {
  const double s = camera.scale, centre = static_cast<double>(picture.size(1)) / 2;
  const auto offset = [&](double aside) { return s * (0.5 - centre) + centre + aside - 0.5; };
  const ditto::Affine map{{s, 0, offset(camera.x), 0, s, offset(camera.y)}};
  return ditto::warp_affine(picture.permute({1, 2, 0}).contiguous(), map, picture.size(1), picture.size(2))
      .permute({2, 0, 1})
      .contiguous();
}

FaceLabels seen(const FaceLabels& labels, const Camera& camera) {
  at::Tensor motion = labels.motion.clone();
  motion.narrow(0, 0, 1).copy_(camera.scale * (motion.narrow(0, 0, 1) + 1) - 1);
  at::Tensor t = motion.narrow(0, kBeforeExpression, 3);
  t.copy_(camera.scale * t + shift(camera, 3));
  return {motion, labels.kp};
}

at::Tensor seen_keypoints(const at::Tensor& keypoints, const Camera& camera) {
  return camera.scale * keypoints + shift(camera, 3);
}

at::Tensor seen_origins(const at::Tensor& correspondence, int64_t side, const Camera& camera) {
  const double half = static_cast<double>(side - 1) / 2;
  const at::Tensor origins = (correspondence.narrow(1, 0, 2) - half) / half;  // in keypoints' units, on the drawing
  const at::Tensor map = origins.view({1, side, side, 2}).permute({0, 3, 1, 2});
  const at::Tensor axis = at::linspace(-1, 1, side, at::TensorOptions(at::kFloat));
  const at::Tensor x = (axis - camera.x / kReach) / camera.scale, y = (axis - camera.y / kReach) / camera.scale;
  const at::Tensor where =
      at::stack({x.view({1, side}).expand({side, side}), y.view({side, 1}).expand({side, side})}, -1);
  constexpr int64_t kBilinear = 0, kBorder = 1;
  const at::Tensor there = at::grid_sampler_2d(map.contiguous(), where.unsqueeze(0), kBilinear, kBorder, true);
  return camera.scale * there[0].permute({1, 2, 0}) + shift(camera, 2);
}

}  // namespace rushes::training
