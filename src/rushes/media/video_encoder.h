// RGB frames to access units: H.264 (libx264, else OpenH264), or VP9 where no H.264 encoder is installed.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/media/access_unit.h"

namespace rushes::media {

enum class Key { automatic, forced };

/// One stream's encoder: no B-frames, no look-ahead, so each frame comes out of the call that took it in.
/// Colours: BT.709, limited range, tagged as such. One thread at a time.
class VideoEncoder {
 public:
  struct Options {
    int64_t width = 0, height = 0;  // even, 16 to 8192
    double fps = 16;
    int quality = 20;          // constant rate factor of x264: 0 lossless to 51; the other encoders' nearest
    int threads = 1;           // small frames do not gain from more
    std::string encoder = {};  // libavcodec name; empty: the best that is installed
    void validate() const;     // throws Error(invalid_argument)
  };

  /// Opens the encoder; the track is known at once, so that a header can go out before the first frame.
  /// Throws Error(invalid_argument) for options out of range, Error(unavailable) if no encoder is installed.
  explicit VideoEncoder(Options options);
  ~VideoEncoder();
  VideoEncoder(VideoEncoder&&) noexcept;
  VideoEncoder& operator=(VideoEncoder&&) noexcept;

  const VideoTrack& track() const;
  std::string_view encoder_name() const;  // "libx264", ...

  /// rgb: [H, W, 3] uint8, rows without padding, read during the call. `pts` must increase from call to call.
  std::vector<AccessUnit> encode(const uint8_t* rgb, Pts pts, Key key = Key::automatic);
  /// What the encoder still holds; nothing may be encoded afterwards.
  std::vector<AccessUnit> flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rushes::media
