// How long and how large a clip is, in video frames and pixels and in latents.
#pragma once
#include <cstdint>

#include "rushes/models/ltx/config.h"

namespace rushes::ltx {

/// A grid of tokens, in the order frame, row, column.
struct LatentGrid {
  int64_t latent_frames = 1, height = 1, width = 1;
  int64_t tokens_per_frame() const { return height * width; }
  int64_t tokens() const { return latent_frames * height * width; }
  bool operator==(const LatentGrid&) const = default;
};

/// The first latent frame is one video frame, each later one is `stride` (8) of them.
constexpr int64_t video_frames(int64_t latent_frames, int64_t stride) { return (latent_frames - 1) * stride + 1; }
/// Latent frames of which the published pipelines make `video_frames`: fewer come out where they are no 8k + 1.
constexpr int64_t latent_frames(int64_t video_frames, int64_t stride) { return (video_frames - 1) / stride + 1; }

/// What is made so that `wanted` video frames come out: as many latent frames as hold them, and what to drop at the
/// end.
struct ClipLength {
  int64_t latent_frames, video_frames, surplus;  // video_frames are made, surplus of them nobody asked for
};
/// Throws Error(invalid_argument) for less than one frame.
ClipLength clip_length(int64_t wanted_video_frames, int64_t stride);

/// Of a clip of `height` x `width` pixels. Throws Error(invalid_argument) unless both are multiples of the VAE's
/// stride.
LatentGrid latent_grid(const VaeConfig& vae, int64_t latent_frames, int64_t height, int64_t width);

}  // namespace rushes::ltx
