// The Wan VAE tile by tile, blended with linear ramps, as OmniAvatar's segments use it: less memory for large pictures,
// 2.4 times the work. Near the seams it differs from the whole: convolutions are padded and attention ends at the edges
// of a tile. Each tile is a run of its own with its own caches.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "rushes/models/wan/vae.h"

namespace rushes::omniavatar {

/// Extents in latents, rows and columns.
struct Tiling {
  std::array<int64_t, 2> size, stride;
};
inline constexpr Tiling kEncodeTiling{{34, 34}, {18, 16}};
inline constexpr Tiling kDecodeTiling{{30, 52}, {15, 26}};

/// Where the tiles along an axis begin: multiples of the stride, without those that the tile before makes superfluous.
std::vector<int64_t> tile_origins(int64_t extent, int64_t size, int64_t stride);

/// Weights along one axis of a tile: ramps (k + 1) / ramp at both ends but where the tile touches the border; where
/// both meet, the falling one is kept. Returns [size] float32.
at::Tensor blend_ramp(int64_t size, int64_t ramp, bool touches_begin, bool touches_end);

/// The smaller of both axes: [rows, columns] float32.
at::Tensor blend_mask(const at::Tensor& rows, const at::Tensor& columns);

/// latents [B, C, F, h, w], normalised, a whole clip. Returns RGB [B, 3, T, H, W] float32 in [-1, 1], clamped after
/// blending. Throws Error(invalid_argument) for a stride that is not from 1 to the size.
at::Tensor decode_tiled(const wan::VaeDecoder& decoder, const at::Tensor& latents,
                        const Tiling& tiling = kDecodeTiling);

/// video [B, 3, T, H, W] in [-1, 1], a whole clip. Returns the normalised latents [B, C, F, h, w] float32.
at::Tensor encode_tiled(const wan::VaeEncoder& encoder, const at::Tensor& video, const Tiling& tiling = kEncodeTiling);

}  // namespace rushes::omniavatar
