#include "rushes/ingest/driving_file.h"

#include "rushes/base/error.h"
#include "rushes/media/face_finder.h"

namespace rushes::ingest {
namespace {

constexpr int64_t kAudioHz = 48'000;

/// Null: the model does not cut faces out, or looks for them itself.
const generation::FaceCrop* left_to_others(const generation::Model& model) {
  const auto* cropper = dynamic_cast<const generation::FaceCrop*>(&model);
  return cropper && !cropper->finds_faces() ? cropper : nullptr;
}

}  // namespace

void DrivingFile::find_faces() {
  if (!media::can_find_faces()) return;
  for (int64_t i = 0; i < generation::kMostFacesLookedFor; ++i) {
    const auto picture = frame(i * generation::kFaceEvery);
    if (!picture) break;
    if (const auto face = media::find_face(*picture)) faces_.push_back({face->x1, face->y1, face->x2, face->y2});
  }
}

DrivingFile::DrivingFile(std::shared_ptr<const media::Bytes> file, const media::VideoLimits& limits)
    : file_(std::move(file)), limits_(limits), reader_(std::in_place, file_, limits) {
  fps_ = reader_->fps();
  try {
    const media::AudioLimits allowed{.max_bytes = limits.max_bytes, .max_seconds = limits.max_seconds};
    audio_ = media::resampled(media::decode_audio(*file_, allowed), kAudioHz);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::too_large) throw;  // else it is silent
  }
}

std::optional<Image> DrivingFile::frame(int64_t index) const {
  const std::scoped_lock lock(mutex_);
  if (index + 1 == next_) return newest_;
  if (index < next_) {
    reader_.emplace(file_, limits_);
    next_ = 0;
  }
  while (next_ <= index) {
    newest_ = reader_->next();
    ++next_;
    if (!newest_) {  // stays behind the end, for whoever asks again
      next_ = index + 1;
      break;
    }
  }
  return newest_;
}

void drive(generation::Request& request, const generation::Model& model, std::shared_ptr<const media::Bytes> file,
           const media::VideoLimits& limits) {
  const auto video = std::make_shared<DrivingFile>(std::move(file), limits);
  if (const auto* cropper = left_to_others(model); cropper && cropper->crops(request)) video->find_faces();
  request.video = video;
}

void find_face(generation::Request& request, const generation::Model& model) {
  const auto* cropper = left_to_others(model);
  if (!cropper || !request.image || request.options.has("face")) return;
  const auto face = media::face_of_portrait(*request.image, cropper->side(),
                                            cropper->crops(request) ? media::Crop::yes : media::Crop::no);
  if (face) request.options.set("face", std::vector<double>{face->x1, face->y1, face->x2, face->y2});
}

}  // namespace rushes::ingest
