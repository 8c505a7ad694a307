// What the parts of a Wan model look like: plain numbers, with the sizes of the published Wan2.1 T2V 1.3B as defaults.
// Everything that depends on a dimension takes it from here; checkpoint.h finds them in the shapes of a checkpoint.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace rushes::wan {

enum class ModelType { t2v, i2v };  // i2v: in_dim 36, image tokens before the text tokens

/// As manifests write it.
constexpr std::array<std::pair<std::string_view, ModelType>, 2> words_of(ModelType) {
  return {{{"t2v", ModelType::t2v}, {"i2v", ModelType::i2v}}};
}

/// The diffusion transformer, causal or bidirectional (their weights have the same names and shapes).
struct TransformerConfig {
  ModelType model_type = ModelType::t2v;
  int64_t dim = 1536, ffn_dim = 8960, num_heads = 12, num_layers = 30;
  int64_t in_dim = 16, out_dim = 16;        // channels that go in (i2v: noise, mask and image latent) and come out
  int64_t freq_dim = 256;                   // size of the sinusoid of the timestep
  int64_t text_dim = 4096, text_len = 512;  // rows of the text encoder; prompts are zero-padded to text_len
  int64_t image_dim = 1280;                 // width of the CLIP tokens (i2v)
  std::array<int64_t, 3> patch_size = {1, 2, 2};  // frames, rows, columns
  double eps = 1e-6;                              // of every norm but those of the image tokens (1e-5)
  int64_t local_attn_size = -1;                   // latent frames that self-attention looks back on; -1: all
  int64_t sink_size = 0;                          // first latent frames that a local window never evicts

  int64_t head_size() const { return dim / num_heads; }
  /// Tokens of one latent frame of `latent_height` x `latent_width`.
  int64_t tokens_per_frame(int64_t latent_height, int64_t latent_width) const {
    return (latent_height / patch_size[1]) * (latent_width / patch_size[2]);
  }
  bool operator==(const TransformerConfig&) const = default;
};

/// The encoder half of UMT5, the text encoder. Defaults: UMT5-XXL.
struct Umt5Config {
  int64_t vocab = 256384;
  int64_t dim = 4096, dim_attn = 4096, dim_ffn = 10240, num_heads = 64, num_layers = 24;
  int64_t num_buckets = 32, max_distance = 128;  // relative positions, each layer has its own table
  int64_t text_len = 512;                        // prompts are cut or padded to this many tokens
  double eps = 1e-6;
  bool operator==(const Umt5Config&) const = default;
};

/// The Wan VAE. `temporal_downsample` has one entry for each of the encoder's down-sampling levels (one fewer than
/// dim_mult); the decoder runs through the list backwards.
struct VaeConfig {
  int64_t dim = 96, z_dim = 16, num_res_blocks = 2;
  std::vector<int64_t> dim_mult = {1, 2, 4, 4};
  std::vector<bool> temporal_downsample = {false, true, true};
  // Of the latents, per channel: the transformer works with (latent - mean) / std.
  std::vector<double> mean = {-0.7571, -0.7089, -0.9113, 0.1075,  -0.1745, 0.9653,  -0.1517, 1.5508,
                              0.4134,  -0.0715, 0.5517,  -0.3632, -0.1922, -0.9497, 0.2503,  -0.2921};
  std::vector<double> std = {2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
                             3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160};

  /// Pixels per latent along height and width, and video frames per latent frame.
  int64_t spatial_stride() const { return int64_t{1} << (dim_mult.size() - 1); }
  int64_t temporal_stride() const {
    int64_t stride = 1;
    for (const bool halves : temporal_downsample) stride *= halves ? 2 : 1;
    return stride;
  }
  bool operator==(const VaeConfig&) const = default;
};

/// The tiny autoencoder (taew2_1): 2-d convolutions with one frame of memory. Latents stay normalised: no mean, no std.
struct TinyAutoencoderConfig {
  std::vector<int64_t> decoder_widths = {256, 128, 64, 64};
  int64_t encoder_width = 64, latent_channels = 16;
  std::vector<bool> decoder_time_upscale = {true, true};         // off: a cheaper preview with fewer video frames
  std::vector<bool> decoder_space_upscale = {true, true, true};  // off: a cheaper preview with fewer pixels
  int64_t frames_to_trim = 3;  // first video frames, dropped to align with the Wan VAE
  bool operator==(const TinyAutoencoderConfig&) const = default;
};

}  // namespace rushes::wan
