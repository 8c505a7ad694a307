// How speech is divided into segments of video that overlap. Plain numbers; published integer arithmetic throughout.
#pragma once
#include <cstdint>

namespace rushes::omniavatar {

struct SegmentRule {
  int64_t height = 400, width = 720;  // pixels
  int64_t max_tokens = 30'000;        // of a segment
  int64_t overlap = 13;               // video frames, 1 + 4k
  double fps = 25;
  int64_t hz = 16'000;
};

/// Note: a frame ahead. Segment 0 begins with the picture itself, which no speech belongs to: video frame i of the
/// whole video is that of speech frame i - 1.
struct Segments {
  int64_t video_frames = 0;   // of each segment, its overlap included; 1 + 4k
  int64_t latent_frames = 0;  // the same
  int64_t overlap = 0;        // video frames
  int64_t speech_frames = 0;  // that the speech lasts, rounded up
  int64_t padded_frames = 0;  // with the silence behind it that fills the last segment
  int64_t pad_samples = 0;    // that silence
  int64_t count = 0;

  int64_t overlap_latent_frames() const { return (3 + overlap) / 4; }
  /// Video frames that a segment begins with and that are not new: the picture, then the end of the segment before.
  int64_t given_frames(int64_t segment) const { return segment == 0 ? 1 : overlap; }
  /// Frames of speech that a segment adds to those it shares with the one before.
  int64_t new_speech_frames(int64_t segment) const { return video_frames - given_frames(segment); }
};

/// Throws Error(invalid_argument) for a rule that leaves a segment no new frames: max_tokens and what is needed are
/// named. `samples` of speech at rule.hz; 0: one segment.
Segments segments_of_speech(int64_t samples, const SegmentRule& rule);

}  // namespace rushes::omniavatar
