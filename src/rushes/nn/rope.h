// Three-dimensional rotary embedding of Wan video tokens. Angles are computed on the fly from the positions in float64,
// so there is no table that ends (the reference stops at latent frame 1023).
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace rushes::nn {

/// Complex pairs of a head of size D that turn with the latent frame, the row and the column:
/// c = D / 2; [c - 2 floor(c / 3), floor(c / 3), floor(c / 3)]. 22, 21, 21 for D = 128.
std::array<int64_t, 3> rope_split(int64_t head_size);

/// Angles of `pairs` pairs at each position: angle[p, j] = position_p * 10000^(-j / pairs). The exponent is relative
/// to the part's own size. positions [P] any dtype. Returns [P, pairs] float64.
at::Tensor rope_angles(const at::Tensor& positions, int64_t pairs);

/// A grid of latent_frames x height x width tokens; rows and columns count from 0, latent frames from start_frame.
struct TokenGrid {
  int64_t latent_frames, height, width;
  int64_t start_frame = 0;
  int64_t tokens() const { return latent_frames * height * width; }
};

/// Angles of every token of the grid, in order (frame, row, column). Returns [L, D / 2] float64 on the CPU.
at::Tensor rope_grid_angles(const TokenGrid& grid, int64_t head_size);

/// Unit complex numbers of the angles, complex128 [L, D / 2], on `device`: the table that rotate() takes. Made once per
/// forward pass and shared by all layers.
at::Tensor rope_table(const TokenGrid& grid, int64_t head_size, at::Device device);

/// Rotates the interleaved pairs (2k, 2k+1) of each head: x [B, L, N, D]. Tokens beyond the table's L pass through. A
/// table [B, L, D / 2] has those of each sample, which may begin at other latent frames.
/// Computed in the precision of the table (complex128, or complex64 where training wants speed; float32 angles err by
/// 1e-7). Returns the dtype of x.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& table);

}  // namespace rushes::nn
