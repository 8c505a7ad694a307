// A video file that moves a portrait.
#pragma once
#include <array>
#include <functional>
#include <mutex>
#include <vector>

#include "rushes/generation/model.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/video_reader.h"

namespace rushes::ingest {

class DrivingFile final : public generation::DrivingVideo {
 public:
  /// Decodes the sound, if there is any, at a rate that our encoders know. `admit` is called before the file and its
  /// sound take so many bytes. Throws as VideoReader, and what `admit` throws.
  explicit DrivingFile(std::shared_ptr<const media::Bytes> file, const media::VideoLimits& limits = {},
                       const std::function<void(int64_t bytes)>& admit = {});

  double fps() const override { return fps_; }
  std::optional<Image> frame(int64_t index) const override;
  int64_t audio_hz() const override { return audio_.hz; }
  const std::vector<float>& audio() const override { return audio_.samples; }
  std::vector<std::array<double, 4>> faces() const override { return faces_; }
  int64_t bytes() const override { return static_cast<int64_t>(file_->size() + audio_.samples.size() * sizeof(float)); }
  /// Looks for the faces in some of its frames, where this build can. Before others see it.
  void find_faces();

 private:
  const std::shared_ptr<const media::Bytes> file_;
  const media::VideoLimits limits_;
  double fps_ = 0;
  media::DecodedAudio audio_;
  std::vector<std::array<double, 4>> faces_;

  mutable std::mutex mutex_;
  mutable std::optional<media::VideoReader> reader_;
  mutable int64_t next_ = 0;  // index of the reader's next frame
  mutable std::optional<Image> newest_;
};

/// Lets the file's face move the portrait of a request; where it is to be cut out and the model finds no faces, they
/// are looked for here. Throws as DrivingFile.
void drive(generation::Request& request, const generation::Model& model, std::shared_ptr<const media::Bytes> file,
           const media::VideoLimits& limits = {}, const std::function<void(int64_t bytes)>& admit = {});

/// Looks for the faces in the request's picture, by its model or for it, and sets Request::faces; the option `face`
/// then chooses. Does nothing where that names a box. Any thread; takes a while. Throws Error(invalid_argument) for a
/// picture that is to be cut and has no face, and for a face that is not there.
void find_faces(generation::Request& request, const generation::Model& model);

}  // namespace rushes::ingest
