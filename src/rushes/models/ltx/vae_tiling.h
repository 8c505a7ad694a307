// Decoding and encoding in overlapping tiles that are cross-faded: less memory, first results sooner, and less context,
// so that results differ from those of a whole pass.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "rushes/models/ltx/config.h"

namespace rushes::ltx {

/// Sizes are of the video, as published; each a multiple of the VAE's stride.
struct Tiling {
  bool spatial = false;
  int64_t tile_sample_min_height = 512, tile_sample_min_width = 512;
  int64_t tile_sample_stride_height = 448, tile_sample_stride_width = 448;
  bool framewise = false;  // in time
  int64_t tile_sample_min_num_frames = 16, tile_sample_stride_num_frames = 8;

  /// Throws Error(invalid_argument) naming a size that is no multiple of the stride, or a stride larger than its tile.
  void validate(const VaeConfig& vae) const;
};

/// A network that maps one tile.
using TilePass = std::function<at::Tensor(const at::Tensor& tile)>;

/// Tile i begins `stride` further than tile i - 1, has `size` or what is left, and gives `kept` of what comes out; its
/// first `faded` are a cross-fade with the tile before.
struct TileAxis {
  int64_t size, stride, kept, faded;
};

/// Rows and columns of x [B, C, T, H, W] in tiles.
at::Tensor in_spatial_tiles(const at::Tensor& x, const TileAxis& rows, const TileAxis& columns, const TilePass& pass);

/// Fades the first `extent` positions of `next` along `axis` in from the last ones of `previous`: position x has x /
/// extent of `next`. Returns what becomes of `next`. Less where one of both is shorter.
at::Tensor cross_fade(const at::Tensor& previous, const at::Tensor& next, int64_t axis, int64_t extent);

}  // namespace rushes::ltx
