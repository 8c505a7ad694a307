// The sizes and the length of video that a model was trained for, and the one rule for requests beyond them: they are
// made as they were asked for, with a warning. Plain values.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rushes {

/// In pixels.
struct FrameSize {
  int64_t height = 0, width = 0;
  bool operator==(const FrameSize&) const = default;
};

/// "832x480": width first, as people write it.
std::string text_of(const FrameSize& size);

struct TrainedFor {
  std::vector<FrameSize> sizes = {};  // empty: nothing is known of sizes
  int64_t video_frames = 0;           // the most that are made at once, a clip or a segment; 0: nothing is known
  bool operator==(const TrainedFor&) const = default;

  bool is_known() const { return !sizes.empty() || video_frames > 0; }
  /// A sentence for people for each thing that is beyond. `frames_at_once` 0: as many as follow, one after the other.
  std::vector<std::string> warnings(const FrameSize& size, int64_t frames_at_once) const;
};

}  // namespace rushes
