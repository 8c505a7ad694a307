// Decoded frames as what a session delivers.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/generation/event.h"

namespace rushes::generation {

/// frames [T, 3, H, W] in [-1, 1]; truncated to 8 bit as published. All other fields of the block are the caller's.
FrameBlock frame_block(const at::Tensor& frames, double fps);

}  // namespace rushes::generation
