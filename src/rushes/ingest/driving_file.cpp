#include "rushes/ingest/driving_file.h"

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/media/face_finder.h"

namespace rushes::ingest {
namespace {

constexpr int64_t kAudioHz = 48'000;

/// Null: the model does not cut faces out.
const generation::FaceCrop* face_crop(const generation::Model& model) {
  return dynamic_cast<const generation::FaceCrop*>(&model);
}

std::vector<generation::FaceBox> boxes_of(const std::vector<media::FoundFace>& found, const Image& picture) {
  std::vector<generation::FaceBox> boxes;
  for (const media::FoundFace& face : found) boxes.push_back({face.x1, face.y1, face.x2, face.y2});
  generation::put_subject_first(boxes, picture.height, picture.width);
  return boxes;
}

std::string place(const generation::FaceBox& box) {
  return fmt::format("[{:.0f}, {:.0f}, {:.0f}, {:.0f}]", box[0], box[1], box[2], box[3]);
}

}  // namespace

void DrivingFile::find_faces() {
  if (!media::can_find_faces()) return;
  for (int64_t i = 0; i < generation::kMostFacesLookedFor; ++i) {
    const auto picture = frame(i * generation::kFaceEvery);
    if (!picture) break;
    const auto faces = boxes_of(media::find_faces(*picture), *picture);
    if (!faces.empty()) faces_.push_back(faces.front());
  }
}

DrivingFile::DrivingFile(std::shared_ptr<const media::Bytes> file, const media::VideoLimits& limits,
                         const std::function<void(int64_t bytes)>& admit)
    : file_(std::move(file)), limits_(limits), reader_(std::in_place, file_, limits) {
  fps_ = reader_->fps();
  try {
    media::AudioLimits allowed{.max_bytes = limits.max_bytes, .max_seconds = limits.max_seconds, .max_hz = kAudioHz};
    if (admit) allowed.admit = [&](int64_t sound) { admit(static_cast<int64_t>(file_->size()) + sound); };
    audio_ = media::resampled(media::decode_audio(*file_, allowed), kAudioHz);
    for (const std::string& warning : audio_.warnings) log::warning("driving video: {}", warning);
  } catch (const Error& error) {
    const bool is_full = error.code() == ErrorCode::too_large || error.code() == ErrorCode::exhausted;
    if (is_full) throw;  // else it is silent
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
           const media::VideoLimits& limits, const std::function<void(int64_t bytes)>& admit) {
  const auto video = std::make_shared<DrivingFile>(std::move(file), limits, admit);
  if (const auto* crop = face_crop(model); crop && !crop->finds_faces() && crop->crops(request)) video->find_faces();
  request.video = video;
}

void find_faces(generation::Request& request, const generation::Model& model) {
  const auto* crop = face_crop(model);
  if (!crop || !request.image || request.faces) return;
  const Image& image = *request.image;
  const generation::FaceChoice choice =
      generation::face_choice(checked(request.options, model.options()), image.height, image.width);
  if (choice.box) return;
  request.faces = crop->finds_faces()
                      ? crop->faces(image)
                      : boxes_of(media::faces_of_portrait(
                                     image, crop->side(), crop->crops(request) ? media::Crop::yes : media::Crop::no,
                                     choice.index ? media::Look::always : media::Look::if_not_framed),
                                 image);
  const auto face = generation::chosen_face(choice, *request.faces);
  if (face && request.faces->size() > 1) {
    std::string all;
    for (const generation::FaceBox& each : *request.faces) all += (all.empty() ? "" : ", ") + place(each);
    log::info("{} faces are in the image: {}; the one at {} is used (option face)", request.faces->size(), all,
              place(*face));
  }
}

}  // namespace rushes::ingest
