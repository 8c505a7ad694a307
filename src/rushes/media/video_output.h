// Where a command puts a video: a growing MP4, uncompressed frames for a pipe, or pictures. One call takes one block of
// frames, and what the call has taken is on disk (or in the pipe) when it returns.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace rushes::media {

enum class VideoContainer { mp4, y4m, rgb24, png, rtmp };

/// From `format` ("auto", "mp4", "y4m", "rgb24", "png"), or for "auto" from the target's ending: .mp4, .y4m, .rgb,
/// .png;
/// "-" is y4m, an address that begins with rtmp:// a live stream whatever the format. Throws Error(invalid_argument)
/// for anything else.
VideoContainer choose_container(std::string_view target, std::string_view format);

struct VideoOutputOptions {
  std::string target;  // a file, "-" for standard output; for png a pattern like frames_%05d.png or a directory
  VideoContainer container = VideoContainer::mp4;
  int64_t width = 0, height = 0;
  double fps = 16;
  int quality = 20;          // of H.264, see VideoEncoder
  int64_t audio_hz = 0;      // of the sound that comes with the frames; 0: none. Only MP4 and RTMP take it.
  bool silent_audio = true;  // over RTMP: silence where there is no sound, for sites refuse a stream without
};

enum class Reader { present, gone };

/// Wall time that an output spent so far: on making bytes of pictures, and on getting rid of them.
struct OutputTimes {
  std::chrono::microseconds encode{0}, deliver{0};
};

/// Used by one thread. The destructor leaves what was written; it finishes nothing.
class VideoOutput {
 public:
  virtual ~VideoOutput() = default;
  /// rgb: [T, H, W, 3] uint8. Reader::gone: the other end of a pipe has closed; nothing more need be written.
  /// `sound` follows that of the frames before, one channel in [-1, 1]; what carries no sound leaves it out.
  /// Throws Error(exhausted) for a full disk, Error(unavailable) for another failure to write.
  [[nodiscard]] virtual Reader write(const uint8_t* rgb, int64_t video_frames, std::span<const float> audio) = 0;
  [[nodiscard]] Reader write(const uint8_t* rgb, int64_t video_frames) { return write(rgb, video_frames, {}); }
  virtual void finish() = 0;
  const OutputTimes& times() const { return times_; }

 protected:
  /// What `work` returns; its time is added to `total`.
  template <typename Work>
  static auto timed(std::chrono::microseconds& total, const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    auto result = work();
    total += std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
    return result;
  }
  OutputTimes times_;
};

/// Creates or empties the target. A directory must exist or have an existing parent.
/// Throws Error(invalid_argument) if it cannot be written, naming it and the reason.
std::unique_ptr<VideoOutput> open_video_output(const VideoOutputOptions& options);

/// A printf pattern with exactly one whole-number field, e.g. "frames_%05d.png", for `number`.
/// Throws Error(invalid_argument) for any other use of '%'.
std::string numbered(std::string_view pattern, int64_t number);

}  // namespace rushes::media
