// Uncompressed video for pipes: YUV4MPEG2 (what ffmpeg, mpv and x264 read from standard input) and bare RGB.
#pragma once
#include <memory>
#include <string>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// RGB frames to YUV4MPEG2, 4:4:4 so that no colour is lost (BT.601 limited range, the format's convention).
class Y4mWriter {
 public:
  /// Sides 1 to 16384, fps 1 to 240; throws Error(invalid_argument) otherwise.
  Y4mWriter(int64_t width, int64_t height, double fps);
  ~Y4mWriter();

  std::string header() const;  // once, before the first frame
  /// rgb: [H, W, 3]. Returns the frame with its marker.
  Bytes frame(const uint8_t* rgb);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
