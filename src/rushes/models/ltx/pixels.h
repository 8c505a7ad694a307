// Pictures that go in and frames that come out.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::ltx {

/// An 8-bit picture [H, W, 3] of any size as the video's first frame, [1, 3, 1, height, width] float32 in [-1, 1]:
/// resized as Pillow's bicubic filter does, without regard to its aspect.
at::Tensor first_frame(const at::Tensor& picture, int64_t height, int64_t width);

/// Decoded video [1, 3, T, H, W], about -1 to 1, as [T, H, W, 3] float32 in [0, 1].
at::Tensor unit_frames(const at::Tensor& video);
/// The same as 8-bit frames: times 255, to the nearest, ties to even.
at::Tensor frames(const at::Tensor& video);

}  // namespace rushes::ltx
