// What travels on a stream: the values that a generator yields. No libtorch here, server and media include this.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rushes/base/error.h"

namespace rushes::generation {

/// Wall time that a block took, by stage.
struct StageTimes {
  std::chrono::microseconds text{0}, denoise{0}, decode{0};
};

/// Sound that belongs to a block of frames: one channel.
struct Audio {
  std::shared_ptr<const std::vector<float>> samples;  // in [-1, 1]; null: none
  int64_t first_sample = 0;                           // index in the session's sound; time = index / rate
  int64_t hz = 0;
};

/// One generated block of video frames: 8-bit RGB, rows without padding.
struct FrameBlock {
  std::shared_ptr<const uint8_t> rgb;  // [T, H, W, 3]
  int64_t video_frames = 0;            // T
  int64_t height = 0, width = 0;
  double fps = 16;
  int64_t first_video_frame = 0;   // index in the session's video; presentation time = index / fps
  int64_t segment = 0, block = 0;  // block counts within the segment
  int64_t latent_frames = 0;       // that the block was made of
  std::string prompt;              // that it was generated under
  StageTimes times;
  Audio audio = {};  // of these frames, beginning with the first; may be shorter at the end of a video

  const uint8_t* frame(int64_t index) const { return rgb.get() + index * height * width * 3; }
  std::size_t frame_bytes() const { return static_cast<std::size_t>(height * width * 3); }
};

/// A prompt took effect (the first one too) at the block that follows: told before all that is seen of that block,
/// looks at it included.
struct PromptApplied {
  std::string prompt;
  int64_t segment = 0, block = 0;
  std::string conditioning = {};  // what the frames follow besides it, in the words of the model; empty: nothing else
};

/// How far a block has come; sent after each denoising step, so that a viewer's time line can fill.
struct BlockProgress {
  int64_t segment = 0, block = 0;
  int64_t step = 0, steps = 0;
};

/// All that was said up to the end of an utterance has been shown.
struct UtteranceEnded {};

/// A piece of what the model says in words, before its frames or between them. It belongs to the block that follows.
struct TextChunk {
  std::string utf8;   // whole characters; follows the chunk before without a space
  bool last = false;  // of a passage; a new prompt may begin another one
};

/// What frames of a block will be like, before the block is there: provisional, no part of the video. Encoders and
/// recordings pass over it; a viewer may show it until its frames come. Those of a later step replace it.
struct PreviewFrames {
  std::shared_ptr<const uint8_t> rgb;  // [T, H, W, 3]; null: forgotten, as another one has come
  int64_t video_frames = 0;            // T
  int64_t height = 0, width = 0;
  int64_t first_video_frame = 0;      // index in the session's video
  int64_t step = 0, steps = 0;        // of denoising that it was taken after; step 0: before the first
  std::chrono::microseconds cost{0};  // wall time that it took
};

/// What goes on side by side in a model that yields both.
enum class Track { text, video };

/// The enumerator's own spelling.
constexpr std::string_view name(Track track) { return track == Track::text ? "text" : "video"; }

/// A track ended before its time; the other goes on. When both fail, the session does.
struct TrackFailed {
  Track track = Track::text;
  ErrorCode code = ErrorCode::internal;
  std::string message;
};

using Event =
    std::variant<FrameBlock, PromptApplied, BlockProgress, UtteranceEnded, TextChunk, PreviewFrames, TrackFailed>;

}  // namespace rushes::generation
