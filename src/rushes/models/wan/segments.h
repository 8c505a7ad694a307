// Arithmetic of videos made of segments: how many latent and video frames there are and where they lie.
#pragma once
#include <cstdint>
#include <vector>

namespace rushes::wan {

/// Video frames of `latent_frames` latent frames decoded as one stream: 1 + 4 (F - 1), and 0 of 0.
constexpr int64_t video_frames(int64_t latent_frames, int64_t temporal_stride = 4) {
  return latent_frames <= 0 ? 0 : 1 + temporal_stride * (latent_frames - 1);
}

/// Least number of latent frames that hold `video_frames`.
constexpr int64_t latent_frames_for(int64_t video_frames, int64_t temporal_stride = 4) {
  return video_frames <= 0 ? 0 : 1 + (video_frames - 1 + temporal_stride - 1) / temporal_stride;
}

/// Which latent frames of the whole video a segment generates or repeats.
struct SegmentSpan {
  int64_t segment;
  int64_t start, end;  // latent frames, counted over the whole video; `end` is the last one, not one past it
  int64_t unique;      // latent frames that no earlier segment has
  bool operator==(const SegmentSpan&) const = default;
};

/// A video of `segments` segments of `segment_latent_frames`; each but the first begins with the last
/// `overlap_latent_frames` of the one before.
struct SegmentPlan {
  int64_t segments = 1;
  int64_t segment_latent_frames = 21;
  int64_t overlap_latent_frames = 3;
  int64_t block_latent_frames = 3;  // latent frames that are denoised together

  /// Throws Error(invalid_argument) with field, value and allowed values: at least one segment; segment length and
  /// overlap multiples of the block, overlap less than the segment. Source: the interactive pipeline of Inferix.
  void validate() const;

  /// N L - (N - 1) O.
  int64_t total_latent_frames() const;
  /// Video frames that Inferix delivers: its decoder restarts at every block, so a block of F yields 1 + 4 (F - 1) and
  /// the frames between blocks are missing. Ours yields video_frames(total_latent_frames()).
  int64_t inferix_video_frames() const;
  std::vector<SegmentSpan> spans() const;
};

}  // namespace rushes::wan
