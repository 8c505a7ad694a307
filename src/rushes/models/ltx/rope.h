// Rotary embedding of LTX's tokens: angles of time, row and column alternate over the whole width of queries and keys,
// so that every head turns with other frequencies.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>

#include "rushes/models/ltx/clip_size.h"
#include "rushes/models/ltx/config.h"

namespace rushes::ltx {

/// [S, C] float32 each, the cosine and sine of a pair (2i, 2i + 1) twice.
struct RopeTable {
  at::Tensor cos, sin;
  at::Tensor signed_sin;  // -sin, sin: with it a pair turns by one product each
};

/// What a step of one latent along time, height and width is in the unit of its base, as published:
/// (8 / frame_rate seconds, 32 pixels, 32 pixels).
std::array<double, 3> rope_scale(const VaeConfig& vae, double frame_rate);

/// Coordinate of axis a: latent index * scale_a / base_a; angle of frequency j: theta^(j / (n - 1)) pi / 2 *
/// (2 coordinate - 1), n = C / 6. Columns: j outer, axis inner; what C leaves over is in front and does not turn.
/// Everything in float32 in this order, as published: the largest frequency is 15708 and shows every rounding.
RopeTable rope_table(const TransformerConfig& config, const LatentGrid& grid, const std::array<double, 3>& scale,
                     at::Device device = at::kCPU);

/// Rotates the interleaved pairs of x [B, S, C] in float32. Returns the dtype of x. Differentiable.
at::Tensor rotate(const at::Tensor& x, const RopeTable& table);

}  // namespace rushes::ltx
