// Dimensions and layout of a DINOv2 vision transformer without registers. Defaults: ViT-L/14 as published by its
// authors.
#pragma once
#include <cstdint>

namespace rushes::dinov2 {

/// The same weights were published twice, under other names and with other rules around them.
enum class Layout {
  hub,           // dinov2_vitl14_pretrain.pth: the authors' own file
  transformers,  // a folder of the transformers library
};

struct Config {
  Layout layout = Layout::hub;
  int64_t embed_dim = 1024, depth = 24, num_heads = 16, mlp_dim = 4096;
  int64_t patch_size = 14;
  int64_t stored_grid = 37;  // positions were learned for so many rows and columns of patches
  double norm_eps = 1e-6;
  /// The learned positions are stretched to (grid + offset) / stored_grid: the authors' code adds a tenth of a patch,
  /// so that rounding loses no row, and that shifts where they are read. The transformers library adds nothing.
  double position_offset = 0.1;

  static Config of(Layout layout) {
    Config config;
    config.layout = layout;
    config.position_offset = layout == Layout::hub ? 0.1 : 0;
    return config;
  }
  bool operator==(const Config&) const = default;
};

}  // namespace rushes::dinov2
