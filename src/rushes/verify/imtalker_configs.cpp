#include "rushes/verify/imtalker_configs.h"

#include "rushes/tensor/ops.h"

namespace rushes::verify {

imtalker::RendererConfig renderer_config(const nlohmann::json& hyper) {
  imtalker::RendererConfig config;
  config.feature_dims = hyper.value("feature_dims", config.feature_dims);
  config.spatial_dims = hyper.value("spatial_dims", config.spatial_dims);
  config.dim_motion = hyper.value("dim_motion", config.dim_motion);
  config.dim_app = hyper.value("dim_app", config.dim_app);
  config.motion_encoder_initial = hyper.value("motion_encoder_initial", config.motion_encoder_initial);
  config.motion_encoder_channels = hyper.value("motion_encoder_channels", config.motion_encoder_channels);
  config.const_dim = hyper.value("const_dim", config.const_dim);
  config.const_size = hyper.value("const_size", config.const_size);
  config.swin_res_threshold = hyper.value("swin_res_threshold", config.swin_res_threshold);
  config.window_size = hyper.value("window_size", config.window_size);
  config.num_heads = hyper.value("num_heads", config.num_heads);
  return config;
}

at::Tensor network_picture(const at::Tensor& pixels, const Target& target) {
  const at::Tensor batch = pixels.dim() == 3 ? pixels.unsqueeze(0) : pixels;
  return (batch.permute({0, 3, 1, 2}).to(target.device, at::kFloat) / 255).to(target.dtype).contiguous();
}

}  // namespace rushes::verify
