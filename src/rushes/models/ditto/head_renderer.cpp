#include "rushes/models/ditto/head_renderer.h"

#include "rushes/tensor/ops.h"

namespace rushes::ditto {

HeadRenderer::Drawn HeadRenderer::draw(const at::Tensor& feature, const Retargeting::Keypoints& points) const {
  const auto placed = [&](const at::Tensor& keypoints) { return keypoints.to(feature.device()); };
  Drawn drawn;
  drawn.feature = warp_.forward(feature, placed(points.source), placed(points.driving));
  const at::Tensor image = decoder_.forward(drawn.feature).squeeze(0).to(at::kCPU, at::kFloat);
  drawn.render = (at::clamp(image, 0, 1) * 255).permute({1, 2, 0}).contiguous();
  return drawn;
}

}  // namespace rushes::ditto
