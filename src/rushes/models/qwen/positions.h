// Where tokens stand: a text runs along one line, a picture spans time, rows and columns beside it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rushes/models/qwen/config.h"

namespace rushes::qwen {

struct Positions {
  at::Tensor ids;     // [3, B, L] int64: time, height, width; 0 where a text is padded
  at::Tensor deltas;  // [B, 1] int64: largest position + 1 - number of tokens
};

struct PictureTokens {
  int64_t image_token_id;  // the token that stands for one of a picture
  int64_t merge_size;      // patches along a side of such a token
};

/// A text token stands one further than the last in all three; those of a picture with h x w units that begins at p
/// stand at p, p + row, p + column, and what follows it at p + max(h, w).
///   ids   [B, L] int64, a run of image tokens for each picture
///   mask  [B, L] int64, 0 where padded; undefined: none is
///   grid  [pictures, 3] int64 patches, in order over the batch; undefined: none
/// Throws Error(invalid_argument) where the runs of image tokens do not fit the grid. Source: arXiv:2409.12191,
/// section 2.1.
Positions rope_index(const at::Tensor& ids, const at::Tensor& mask, const at::Tensor& grid,
                     const PictureTokens& tokens);

}  // namespace rushes::qwen
