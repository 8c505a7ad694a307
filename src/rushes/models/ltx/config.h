// What the parts of an LTX-Video model look like: plain numbers under the names of the published config.json files, the
// sizes of LTX-Video 2B 0.9.0 as defaults. config_json.h reads them from files.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace rushes::ltx {

/// The diffusion transformer. One token is one latent pixel.
struct TransformerConfig {
  int64_t in_channels = 128, out_channels = 128;
  int64_t num_attention_heads = 32, attention_head_dim = 64, num_layers = 28;
  int64_t caption_channels = 4096;  // width of the text encoder
  double norm_eps = 1e-6;           // of the norms that are modulated
  double qk_norm_eps = 1e-5;        // of queries and keys, over all heads together
  double rope_theta = 10000.0;
  double base_num_frames = 20, base_height = 2048, base_width = 2048;  // where a rotary coordinate is 1

  int64_t dim() const { return num_attention_heads * attention_head_dim; }
  int64_t ffn_dim() const { return 4 * dim(); }
  bool operator==(const TransformerConfig&) const = default;
};

/// How an encoder's block halves its sides: by a strided convolution, or (0.9.5) by moving pixels to channels.
enum class Downsample { conv, spatial, temporal, spatiotemporal };

/// The video autoencoder. Lists of the decoder are written as published, in the order of the encoder; the decoder runs
/// through them backwards. `layers_per_block` has one entry more than there are blocks: the last is the middle's.
struct VaeConfig {
  int64_t in_channels = 3, out_channels = 3, latent_channels = 128;
  std::vector<int64_t> block_out_channels = {128, 256, 512, 512};  // 0.9.5: one more than there are blocks
  std::vector<int64_t> layers_per_block = {4, 3, 3, 3, 4};
  std::vector<bool> spatio_temporal_scaling = {true, true, true, false};
  std::vector<Downsample> downsample_type = {Downsample::conv, Downsample::conv, Downsample::conv, Downsample::conv};
  std::vector<int64_t> decoder_block_out_channels = {128, 256, 512, 512};
  std::vector<int64_t> decoder_layers_per_block = {4, 3, 3, 3, 4};
  std::vector<bool> decoder_spatio_temporal_scaling = {true, true, true, false};
  std::vector<bool> decoder_inject_noise = {false, false, false, false, false};
  std::vector<bool> upsample_residual = {false, false, false, false};
  std::vector<int64_t> upsample_factor = {1, 1, 1, 1};
  bool timestep_conditioning = false;
  int64_t patch_size = 4, patch_size_t = 1;
  double resnet_norm_eps = 1e-6;  // of the norms before a change of channels; all others have 1e-8
  double scaling_factor = 1.0;
  bool encoder_causal = true, decoder_causal = false;
  std::optional<int64_t> spatial_compression_ratio, temporal_compression_ratio;

  /// Pixels per latent along height and width, and video frames per latent frame.
  int64_t spatial_compression() const;
  int64_t temporal_compression() const;
  /// Blocks of the encoder that are of 0.9.5: their downsamplers also change the channels.
  bool has_pixel_downsamplers() const { return downsample_type.front() != Downsample::conv; }
  /// Throws Error(corrupt_data) naming the list whose length fits no other, or the channels that do not divide.
  void validate() const;
  bool operator==(const VaeConfig&) const = default;
};

/// Flow matching with a shift that grows with the number of tokens.
struct SchedulerConfig {
  bool use_dynamic_shifting = true;
  double shift = 1.0;  // without dynamic shifting
  double base_shift = 0.95, max_shift = 2.05;
  int64_t base_image_seq_len = 1024, max_image_seq_len = 4096;
  std::optional<double> shift_terminal = 0.1;  // last sigma before 0
  int64_t num_train_timesteps = 1000;
  bool operator==(const SchedulerConfig&) const = default;
};

/// All that a model folder says about itself.
struct Config {
  TransformerConfig transformer;
  VaeConfig vae;
  SchedulerConfig scheduler;
};

}  // namespace rushes::ltx
