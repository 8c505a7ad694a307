#include "rushes/verify/imtalker/configs.h"

#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/face_crop.h"
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

imtalker::GeneratorConfig generator_config(const nlohmann::json& generator, const tensor::WeightMap& weights) {
  imtalker::GeneratorConfig config;
  config.fps = generator.value("fps", config.fps);
  config.sampling_rate = generator.value("sampling_rate", config.sampling_rate);
  config.window_seconds = generator.value("wav2vec_sec", config.window_seconds);
  config.num_prev_frames = generator.value("num_prev_frames", config.num_prev_frames);
  config.dim_condition = generator.value("dim_c", config.dim_condition);
  config.dim_motion = generator.value("dim_motion", config.dim_motion);
  config.dim_hidden = generator.value("dim_h", config.dim_hidden);
  config.num_heads = generator.value("num_heads", config.num_heads);
  config.depth = generator.value("fmt_depth", config.depth);
  config.mlp_ratio = generator.value("mlp_ratio", config.mlp_ratio);
  if (weights.contains("audio_projection.0.weight"))
    config.dim_audio = weights.at("audio_projection.0.weight", {-1, -1}).size(1);
  return config;
}

wav2vec::Config wav2vec_config(const nlohmann::json& hyper) {
  wav2vec::Config config;
  config.hidden_size = hyper.value("hidden_size", config.hidden_size);
  config.num_hidden_layers = hyper.value("num_hidden_layers", config.num_hidden_layers);
  config.num_attention_heads = hyper.value("num_attention_heads", config.num_attention_heads);
  config.intermediate_size = hyper.value("intermediate_size", config.intermediate_size);
  config.conv_dim = hyper.value("conv_dim", config.conv_dim);
  config.conv_kernel = hyper.value("conv_kernel", config.conv_kernel);
  config.conv_stride = hyper.value("conv_stride", config.conv_stride);
  config.num_conv_pos_embeddings = hyper.value("num_conv_pos_embeddings", config.num_conv_pos_embeddings);
  config.num_conv_pos_embedding_groups =
      hyper.value("num_conv_pos_embedding_groups", config.num_conv_pos_embedding_groups);
  config.layer_norm_eps = hyper.value("layer_norm_eps", config.layer_norm_eps);
  return config;
}

imtalker::MotionOptions motion_options(const nlohmann::json& hyper) {
  imtalker::MotionOptions options;
  options.guidance_scale = hyper.value("a_cfg_scale", hyper.value("cfg_scale", options.guidance_scale));
  options.time_points = hyper.value("nfe", options.time_points);
  options.method = nn::ode_method(hyper.at("generator").value("torchdiffeq_ode_method", std::string("euler")));
  return options;
}

imtalker::Renderer renderer_of(const Case& c, const nlohmann::json& hyper, const tensor::WeightMap& weights) {
  const imtalker::RendererConfig config = renderer_config(hyper);
  return {config, c.completed(weights, imtalker::parameter_shapes(config))};
}

imtalker::MotionGenerator generator_of(const Case& c, const tensor::WeightMap& weights) {
  const imtalker::GeneratorConfig config = generator_config(c.hyper.at("generator"), weights);
  return {config, c.completed(weights, imtalker::parameter_shapes(config))};
}

Speaker::Speaker(const Case& c, const tensor::WeightMap& weights)
    : generator(generator_of(c, weights)),
      encoder(wav2vec_config(c.hyper.at("wav2vec2")), weights.under("audio_encoder.wav2vec2.")) {}

at::Tensor Speaker::features(const at::Tensor& wave) const {
  const imtalker::GeneratorConfig& config = generator.config();
  const int64_t T = wav2vec::video_frames(wave.size(1), config.fps, config.sampling_rate);
  return encoder.forward(wav2vec::pad_with_last(wave, wav2vec::samples_of(T, config.fps, config.sampling_rate)), T);
}

at::Tensor network_picture(const at::Tensor& pixels, const Target& target) {
  return imtalker::pixels_to_frames(pixels).to(target.device, target.dtype);
}

}  // namespace rushes::verify
