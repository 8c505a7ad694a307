// Dimensions of the IMTalker portrait animator: the renderer (picture + motion -> frames) and the generator of motion
// from speech. Defaults are those of the published checkpoints.
#pragma once
#include <cstdint>
#include <vector>

namespace rushes::imtalker {

struct RendererConfig {
  std::vector<int64_t> feature_dims{32, 64, 128, 256, 512, 512};  // widths of the appearance maps, finest first
  std::vector<int64_t> spatial_dims{256, 128, 64, 32, 16, 8};     // their sides; the picture's side is twice the first
  int64_t dim_motion = 32;                                        // motion latent of one frame
  int64_t dim_app = 512;                                          // identity vector
  int64_t motion_encoder_initial = 64;
  std::vector<int64_t> motion_encoder_channels{128, 256, 512, 512, 512};
  int64_t const_dim = 32, const_size = 4;  // learned constant that the motion decoder starts from
  int64_t swin_res_threshold = 128;        // sides from here on: window attention, and motion transfer by gathering
  int64_t window_size = 8;
  int64_t num_heads = 8;

  int64_t levels() const { return static_cast<int64_t>(feature_dims.size()); }
  int64_t picture_side() const { return 2 * spatial_dims.front(); }
  /// Width and side of a level, counted from the coarsest.
  int64_t width(int64_t level) const { return feature_dims.at(static_cast<std::size_t>(levels() - 1 - level)); }
  int64_t side(int64_t level) const { return spatial_dims.at(static_cast<std::size_t>(levels() - 1 - level)); }
  /// Levels whose features are aligned by attention; they come first.
  int64_t coarse_levels() const {
    int64_t count = 0;
    while (count < levels() && side(count) < swin_res_threshold) ++count;
    return count;
  }
  bool operator==(const RendererConfig&) const = default;
};

struct GeneratorConfig {
  double fps = 25.0;
  int64_t sampling_rate = 16000;
  double window_seconds = 2.0;
  int64_t num_prev_frames = 10;  // video frames of the past that a window sees
  int64_t dim_audio = 768;       // width of the speech encoder's features
  int64_t dim_condition = 32;
  int64_t dim_motion = 32;
  int64_t dim_hidden = 512;
  int64_t num_heads = 8;
  int64_t depth = 8;
  double mlp_ratio = 4.0;

  int64_t window_frames() const { return static_cast<int64_t>(window_seconds * fps); }
  int64_t mlp_dim() const { return static_cast<int64_t>(static_cast<double>(dim_hidden) * mlp_ratio); }
  bool operator==(const GeneratorConfig&) const = default;
};

}  // namespace rushes::imtalker
