// The sound of a single frame.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "rushes/generation/event.h"

namespace rushes::server {

/// What of a block's sound belongs to its frame `t`; of the last one all that is left. The last frame of a video may
/// have less than its time.
inline std::span<const float> sound_of(const generation::FrameBlock& block, int64_t t) {
  if (!block.audio.samples) return {};
  const std::span<const float> samples(*block.audio.samples);
  const auto a_frame = static_cast<int64_t>(static_cast<double>(block.audio.hz) / block.fps);
  const auto begin = std::min(static_cast<std::size_t>(a_frame * t), samples.size());
  const auto end = t + 1 == block.video_frames ? samples.size() : static_cast<std::size_t>(a_frame * (t + 1));
  return samples.subspan(begin, std::min(end, samples.size()) - begin);
}

}  // namespace rushes::server
