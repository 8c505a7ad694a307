// Each configuration struct's fields, once: the manifest is read and written, and dimensions are printed, from here.
// A visitor is called as visit(name, field, range) for numbers and lists of numbers (the range holds for each entry),
// as visit(name, field) for the rest. Names are those of the reference's configurations.
#pragma once
#include "rushes/base/manifest.h"
#include "rushes/models/wan/config.h"
#include "rushes/models/wan/model_directory.h"

namespace rushes::wan {

// `Config` is const when fields are written out.
template <typename Config, typename Visitor>
void visit_transformer_fields(Config& config, Visitor&& visit) {
  visit("model_type", config.model_type);
  visit("dim", config.dim, kExtent);
  visit("ffn_dim", config.ffn_dim, kExtent);
  visit("num_heads", config.num_heads, kExtent);
  visit("num_layers", config.num_layers, FieldRange{1, 1000});
  visit("in_dim", config.in_dim, kExtent);
  visit("out_dim", config.out_dim, kExtent);
  visit("freq_dim", config.freq_dim, kExtent);
  visit("text_dim", config.text_dim, kExtent);
  visit("text_len", config.text_len, kExtent);
  visit("image_dim", config.image_dim, kExtent);
  visit("patch_size", config.patch_size, FieldRange{1, 64});
  visit("eps", config.eps, FieldRange{0, 1});
  visit("local_attn_size", config.local_attn_size, FieldRange{-1, 1 << 20});
  visit("sink_size", config.sink_size, FieldRange{0, 1 << 20});
}

template <typename Config, typename Visitor>
void visit_umt5_fields(Config& config, Visitor&& visit) {
  visit("vocab", config.vocab, FieldRange{2, 1 << 24});
  visit("dim", config.dim, kExtent);
  visit("dim_attn", config.dim_attn, kExtent);
  visit("dim_ffn", config.dim_ffn, kExtent);
  visit("num_heads", config.num_heads, kExtent);
  visit("num_layers", config.num_layers, FieldRange{1, 1000});
  visit("num_buckets", config.num_buckets, FieldRange{2, 1 << 16});
  visit("max_distance", config.max_distance, FieldRange{2, 1 << 20});
  visit("text_len", config.text_len, kExtent);
  visit("eps", config.eps, FieldRange{0, 1});
}

template <typename Config, typename Visitor>
void visit_vae_fields(Config& config, Visitor&& visit) {
  visit("dim", config.dim, kExtent);
  visit("z_dim", config.z_dim, kExtent);
  visit("num_res_blocks", config.num_res_blocks, FieldRange{1, 100});
  visit("dim_mult", config.dim_mult, FieldRange{1, 1000});
  visit("temporal_downsample", config.temporal_downsample);
  visit("mean", config.mean, kAny);
  visit("std", config.std, FieldRange{1e-9, 1e9});
}

template <typename Config, typename Visitor>
void visit_tiny_autoencoder_fields(Config& config, Visitor&& visit) {
  visit("decoder_widths", config.decoder_widths, kExtent);
  visit("encoder_width", config.encoder_width, kExtent);
  visit("latent_channels", config.latent_channels, kExtent);
  visit("decoder_time_upscale", config.decoder_time_upscale);
  visit("decoder_space_upscale", config.decoder_space_upscale);
  visit("frames_to_trim", config.frames_to_trim, FieldRange{0, 100});
}

template <typename Values, typename Visitor>
void visit_default_fields(Values& defaults, Visitor&& visit) {
  visit("denoising_step_list", defaults.denoising_step_list, FieldRange{1e-3, 1e6});
  visit("warp_denoising_step", defaults.warp_denoising_step);
  visit("timestep_shift", defaults.timestep_shift, FieldRange{1e-3, 1000});
  visit("num_train_timestep", defaults.num_train_timestep, FieldRange{2, 1 << 20});
  visit("num_frame_per_block", defaults.num_frame_per_block, FieldRange{1, 1024});
  visit("independent_first_frame", defaults.independent_first_frame);
  visit("context_noise", defaults.context_noise, FieldRange{0, 1e6});
  visit("guidance_scale", defaults.guidance_scale, FieldRange{0, 1000});
  visit("negative_prompt", defaults.negative_prompt);
  visit("sampling_steps", defaults.sampling_steps, FieldRange{1, 1000});
  visit("solver", defaults.solver);
  visit("num_segments", defaults.num_segments, FieldRange{0, 1 << 20});
  visit("segment_length", defaults.segment_latent_frames, FieldRange{1, 1 << 20});
  visit("overlap_frames", defaults.overlap_latent_frames, FieldRange{0, 1 << 20});
  visit("fps", defaults.fps, FieldRange{1, 240});
  visit("height", defaults.height, FieldRange{8, 8192});
  visit("width", defaults.width, FieldRange{8, 8192});
  visit("seed", defaults.seed, FieldRange{0, 9.0e15});
}

}  // namespace rushes::wan
