#include "rushes/delivery/driving_file.h"

#include "rushes/base/error.h"
#include "rushes/media/face_finder.h"

namespace rushes::delivery {
namespace {

constexpr int64_t kSoundHz = 48'000;

/// Boxes x1, y1, x2, y2 of the faces that are seen in some frames.
std::vector<std::array<double, 4>> faces_of(const DrivingFile& video) {
  std::vector<std::array<double, 4>> faces;
  if (!media::can_find_faces()) return faces;
  for (int64_t i = 0; i < generation::kMostFacesLookedFor; ++i) {
    const auto picture = video.frame(i * generation::kFaceEvery);
    if (!picture) break;
    if (const auto face = media::find_face({picture->height, picture->width, picture->rgb}))
      faces.push_back({face->x1, face->y1, face->x2, face->y2});
  }
  return faces;
}

}  // namespace

DrivingFile::DrivingFile(std::shared_ptr<const media::Bytes> file, const media::VideoLimits& limits)
    : file_(std::move(file)), limits_(limits), reader_(std::in_place, file_, limits) {
  fps_ = reader_->fps();
  try {
    const media::AudioLimits allowed{.max_bytes = limits.max_bytes, .max_seconds = limits.max_seconds};
    sound_ = media::resampled(media::decode_audio(*file_, allowed), kSoundHz);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::too_large) throw;  // else it is silent
  }
}

std::optional<generation::Picture> DrivingFile::frame(int64_t index) const {
  const std::scoped_lock lock(mutex_);
  if (index + 1 == next_) return newest_;
  if (index < next_) {
    reader_.emplace(file_, limits_);
    next_ = 0;
  }
  while (next_ <= index) {
    const std::optional<media::Image> image = reader_->next();
    newest_ = image ? std::optional(generation::Picture{image->rgb, image->height, image->width}) : std::nullopt;
    ++next_;
    if (!image) {  // stays behind the end, for whoever asks again
      next_ = index + 1;
      break;
    }
  }
  return newest_;
}

void drive(generation::VideoRequest& request, const generation::Model& model, std::shared_ptr<const media::Bytes> file,
           const media::VideoLimits& limits) {
  const auto video = std::make_shared<const DrivingFile>(std::move(file), limits);
  if (request.talk->crop && !model.finds_faces()) request.talk->driving_faces = faces_of(*video);
  request.talk->driving = video;
}

}  // namespace rushes::delivery
