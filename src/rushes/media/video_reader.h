// Video from outside, decoded safely and given at a constant rate: MP4, WebM, Matroska, AVI and MPEG-TS.
#pragma once
#include <memory>
#include <optional>

#include "rushes/media/access_unit.h"
#include "rushes/media/image.h"

namespace rushes::media {

struct VideoLimits {
  int64_t max_bytes = 256 << 20;  // of the file
  int64_t max_pixels = 16 << 20;  // of a frame
  double max_seconds = 1800;
};

/// One thread at a time.
class VideoReader {
 public:
  /// The format is found by content, never by name. Throws Error: unsupported (none of the formats above, or no
  /// pictures in it), too_large, corrupt_data (nothing in it can be decoded).
  VideoReader(std::shared_ptr<const Bytes> file, const VideoLimits& limits = {});
  ~VideoReader();
  VideoReader(VideoReader&&) noexcept;
  VideoReader& operator=(VideoReader&&) noexcept;

  /// 1 to 60 frames a second; of a file that has more some are left out.
  double fps() const;
  /// The next frame as it is to be seen: with square pixels and turned as the file says, all of the size of the first
  /// one (others are fitted into it). It is the one that is presented nearest to index / fps() seconds after the
  /// beginning of the file, whichever of its streams begins first: one before the first frame, or in a pause, is the
  /// frame that is held there. Nothing at the end; a file that breaks off gives what was complete. Throws
  /// Error(too_large) behind max_seconds.
  std::optional<Image> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A file as VideoReader takes it. Throws as read_file().
std::shared_ptr<const Bytes> read_video_file(const NamedFile& file, const VideoLimits& limits = {});

}  // namespace rushes::media
