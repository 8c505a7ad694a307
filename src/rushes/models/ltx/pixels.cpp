#include "rushes/models/ltx/pixels.h"

#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {

at::Tensor first_frame(const at::Tensor& picture, int64_t height, int64_t width) {
  const at::Tensor sized = tensor::resize(picture, height, width, tensor::Resampling::bicubic);
  return (sized.to(at::kFloat) / 255.0 * 2.0 - 1.0).permute({2, 0, 1}).unsqueeze(0).unsqueeze(2).contiguous();
}

at::Tensor unit_frames(const at::Tensor& video) {
  return (video.select(0, 0).to(at::kFloat) / 2.0 + 0.5).clamp(0, 1).permute({1, 2, 3, 0}).contiguous();
}

at::Tensor frames(const at::Tensor& video) { return unit_frames(video).mul(255.0).round().to(at::kByte); }

}  // namespace rushes::ltx
