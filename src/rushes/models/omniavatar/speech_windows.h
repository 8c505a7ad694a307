// Which part of a stream of speech each block of video hears while the speech arrives. Plain numbers.
#pragma once
#include <algorithm>
#include <cstdint>

namespace rushes::omniavatar {

/// [first, end) of frames or of samples.
struct Span {
  int64_t first, end;
  int64_t size() const { return end - first; }
};

struct SpeechWindows {
  double fps = 16;
  int64_t hz = 16'000;
  int64_t block_frames = 12;     // video frames of a block; 3 fewer of the first one, whose first latent frame is 1
  int64_t context_frames = 1;    // before and behind a block: heard, not shown
  int64_t least_samples = 1600;  // shorter windows are filled up with zeros

  /// Video frames of a block.
  Span frames(int64_t block) const {
    const int64_t end = (block + 1) * block_frames - 3;
    return {std::max<int64_t>(0, end - block_frames), end};
  }
  /// Those that are heard for it.
  Span heard(int64_t block, bool is_last) const {
    const Span own = frames(block);
    return {std::max<int64_t>(0, own.first - context_frames), own.end + (is_last ? 0 : context_frames)};
  }
  /// Where a video frame begins.
  int64_t sample(int64_t frame) const {
    return static_cast<int64_t>(static_cast<double>(frame) / fps * static_cast<double>(hz));
  }
  Span samples(Span frames) const { return {sample(frames.first), sample(frames.end)}; }
  /// Blocks that show so many video frames.
  int64_t blocks(int64_t video_frames) const { return (video_frames + 3 + block_frames - 1) / block_frames; }
};

}  // namespace rushes::omniavatar
