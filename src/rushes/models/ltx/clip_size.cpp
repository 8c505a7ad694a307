#include "rushes/models/ltx/clip_size.h"

#include "rushes/base/error.h"

namespace rushes::ltx {

ClipLength clip_length(int64_t wanted_video_frames, int64_t stride) {
  require(wanted_video_frames >= 1, ErrorCode::invalid_argument, "a clip of {} video frames: at least 1 is needed",
          wanted_video_frames);
  const int64_t latent = (wanted_video_frames - 1 + stride - 1) / stride + 1, made = video_frames(latent, stride);
  return {latent, made, made - wanted_video_frames};
}

LatentGrid latent_grid(const VaeConfig& vae, int64_t latent_frames, int64_t height, int64_t width) {
  const int64_t side = vae.spatial_compression();
  require(height >= side && width >= side && height % side == 0 && width % side == 0, ErrorCode::invalid_argument,
          "a clip of {}x{} pixels: height and width must be multiples of {}", height, width, side);
  require(latent_frames >= 1, ErrorCode::invalid_argument, "{} latent frames: at least 1 is needed", latent_frames);
  return {latent_frames, height / side, width / side};
}

}  // namespace rushes::ltx
