// A video file that moves a portrait.
#pragma once
#include <array>
#include <mutex>
#include <vector>

#include "rushes/generation/driving_video.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/video_reader.h"

namespace rushes::delivery {

class DrivingFile final : public generation::DrivingVideo {
 public:
  /// Decodes the sound, if there is any, at a rate that our encoders know. Throws as VideoReader.
  explicit DrivingFile(std::shared_ptr<const media::Bytes> file, const media::VideoLimits& limits = {});

  double fps() const override { return fps_; }
  std::optional<generation::Picture> frame(int64_t index) const override;
  int64_t sound_hz() const override { return sound_.hz; }
  const std::vector<float>& sound() const override { return sound_.samples; }

 private:
  const std::shared_ptr<const media::Bytes> file_;
  const media::VideoLimits limits_;
  double fps_ = 0;
  media::DecodedAudio sound_;

  mutable std::mutex mutex_;
  mutable std::optional<media::VideoReader> reader_;
  mutable int64_t next_ = 0;  // index of the reader's next frame
  mutable std::optional<generation::Picture> newest_;
};

/// Boxes x1, y1, x2, y2 of the faces that are seen in some frames, for models that find none themselves. Empty: none.
std::vector<std::array<double, 4>> faces_of(const generation::DrivingVideo& video);

}  // namespace rushes::delivery
