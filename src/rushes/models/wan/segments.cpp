#include "rushes/models/wan/segments.h"

#include <fmt/format.h>

#include <limits>
#include <string>

#include "rushes/base/error.h"

namespace rushes::wan {
namespace {

/// "use 18 or 21": the nearest multiples of `block` around `value`, from `least` up.
std::string nearest_multiples(int64_t value, int64_t block, int64_t least) {
  const int64_t below = value / block * block, above = below + block;
  return below < least ? fmt::format("use {}", std::max(above, least)) : fmt::format("use {} or {}", below, above);
}

}  // namespace

void SegmentPlan::validate() const {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // keeps every product below 2^63
  const int64_t block = block_latent_frames;
  require(block >= 1 && block <= kMost, ErrorCode::invalid_argument, "num_frame_per_block must be at least 1 (got {})",
          block);
  require(segments >= 1 && segments <= kMost, ErrorCode::invalid_argument, "num_segments must be 1 to {} (got {})",
          kMost, segments);
  require(segment_latent_frames >= 1 && segment_latent_frames <= kMost, ErrorCode::invalid_argument,
          "segment_length must be at least {} (got {})", block, segment_latent_frames);
  require(segment_latent_frames % block == 0, ErrorCode::invalid_argument,
          "segment_length must be a multiple of {} (got {}; {})", block, segment_latent_frames,
          nearest_multiples(segment_latent_frames, block, block));
  require(overlap_latent_frames >= 0 && overlap_latent_frames < segment_latent_frames, ErrorCode::invalid_argument,
          "overlap_frames must be at least 0 and less than segment_length {} (got {})", segment_latent_frames,
          overlap_latent_frames);
  require(overlap_latent_frames % block == 0, ErrorCode::invalid_argument,
          "overlap_frames must be a multiple of {} (got {}; {})", block, overlap_latent_frames,
          nearest_multiples(overlap_latent_frames, block, 0));
}

int64_t SegmentPlan::total_latent_frames() const {
  return segments <= 0 ? 0 : segments * segment_latent_frames - (segments - 1) * overlap_latent_frames;
}

int64_t SegmentPlan::inferix_video_frames() const {
  return total_latent_frames() / block_latent_frames * video_frames(block_latent_frames);
}

std::vector<SegmentSpan> SegmentPlan::spans() const {
  std::vector<SegmentSpan> all;
  const int64_t stride = segment_latent_frames - overlap_latent_frames;
  for (int64_t i = 0; i < segments; ++i)
    all.push_back({.segment = i,
                   .start = i * stride,
                   .end = i * stride + segment_latent_frames - 1,
                   .unique = i == 0 ? segment_latent_frames : stride});
  return all;
}

}  // namespace rushes::wan
