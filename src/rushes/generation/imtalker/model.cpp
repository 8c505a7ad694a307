#include "rushes/generation/imtalker/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/imtalker/generator.h"
#include "rushes/tensor/dtype.h"
#include "rushes/tensor/image_pixels.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

constexpr int64_t kPublishedSide = 512;
constexpr int64_t kLeastSearchedSide = 32;  // of a picture, by the detector

/// In the order of put_subject_first().
std::vector<FaceBox> faces_in(const at::Tensor& pixels, const imtalker::FaceDetector& detector) {
  std::vector<FaceBox> faces;
  for (const imtalker::FaceBox& face : detector.detect(pixels).faces)
    if (face.score > imtalker::FaceDetector::kMinScore) faces.push_back({face.x1, face.y1, face.x2, face.y2});
  put_subject_first(faces, pixels.size(0), pixels.size(1));
  return faces;
}

imtalker::Square square_of(const at::Tensor& pixels, const TalkPlan& plan, const TalkParts& parts) {
  std::optional<FaceBox> face = plan.face.box;
  if (!face && parts.detector && !plan.faces_known) face = chosen_face(plan.face, faces_in(pixels, *parts.detector));
  std::vector<imtalker::FaceBox> faces;
  if (face) faces.push_back({.x1 = (*face)[0], .y1 = (*face)[1], .x2 = (*face)[2], .y2 = (*face)[3], .score = 1});
  return imtalker::face_square(faces, pixels.size(0), pixels.size(1), imtalker::CropRule::server(plan.crop_scale))
      .value();
}

/// What the square shows, [side, side, 3].
at::Tensor cut(const at::Tensor& pixels, const imtalker::Square& s, int64_t side) {
  return tensor::resize(pixels.slice(0, s.y1, s.y2).slice(1, s.x1, s.x2).contiguous(), side, side,
                        tensor::Resampling::bicubic);
}

TalkFrame picture_of(const TalkPlan& plan, const TalkParts& parts) {
  const at::Tensor pixels = tensor::borrowed_pixels(plan.image);
  TalkFrame picture;
  picture.square = square_of(pixels, plan, parts);
  picture.face =
      imtalker::pixels_to_frames(cut(pixels, picture.square, parts.renderer.config().picture_side())).to(parts.like);
  if (!plan.crop) picture.whole = imtalker::pixels_to_frames(pixels).to(parts.like.device());
  return picture;
}

/// The widest face of some frames, looked for on copies of height 360 as published.
imtalker::Square square_of_driving(const DrivingVideo& driving, const TalkParts& parts) {
  constexpr int64_t kSearchedHeight = 360;
  std::vector<imtalker::FaceBox> faces;
  for (const auto& face : driving.faces())
    faces.push_back({.x1 = face[0], .y1 = face[1], .x2 = face[2], .y2 = face[3], .score = 1});
  const auto first = driving.frame(0);
  require(first.has_value(), ErrorCode::corrupt_data, "the driving video has no frames");
  for (int64_t i = 0; parts.detector && i < kMostFacesLookedFor; ++i) {
    const auto picture = driving.frame(i * kFaceEvery);
    if (!picture) break;
    const double scale = static_cast<double>(picture->height) / static_cast<double>(kSearchedHeight);
    const auto width = std::max<int64_t>(1, std::llround(static_cast<double>(picture->width) / scale));
    const auto found = parts.detector
                           ->detect(tensor::resize(tensor::borrowed_pixels(*picture), kSearchedHeight, width,
                                                   tensor::Resampling::bilinear))
                           .faces;
    const auto widest = std::max_element(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return (a.score > 0.5) < (b.score > 0.5) || ((a.score > 0.5) == (b.score > 0.5) && a.x2 - a.x1 < b.x2 - b.x1);
    });
    if (widest == found.end() || widest->score <= 0.5) continue;
    faces.push_back({widest->x1 * scale, widest->y1 * scale, widest->x2 * scale, widest->y2 * scale, widest->score});
  }
  return imtalker::driving_square(faces, first->height, first->width);
}

}  // namespace

int64_t TalkWeights::parameter_count() const {
  return renderer.parameter_count() + motion_generator.parameter_count() + audio_encoder.parameter_count();
}

TalkParts::TalkParts(const TalkDirectory& model, const TalkWeights& weights)
    : renderer(model.renderer_config, weights.renderer),
      generator(model.generator_config, weights.motion_generator),
      encoder(model.audio_config, weights.audio_encoder),
      defaults(model.defaults),
      like(weights.renderer.tensors().begin()->second.options().dtype(at::kFloat).requires_grad(std::nullopt)) {
  if (!weights.face_detector.tensors().empty()) detector.emplace(weights.face_detector);
}

int64_t TalkParts::samples_per_frame() const {
  return wav2vec::samples_of(1, generator.config().fps, generator.config().sampling_rate);
}

at::Tensor TalkParts::speech_features(const at::Tensor& wave) const {
  const imtalker::GeneratorConfig& config = generator.config();
  const at::Tensor levelled =
      (defaults.normalise_audio ? wav2vec::normalise(wave) : wave).unsqueeze(0).to(like.device());
  const int64_t T = wav2vec::video_frames(wave.size(0), config.fps, config.sampling_rate);
  return encoder.forward(wav2vec::pad_with_last(levelled, wav2vec::samples_of(T, config.fps, config.sampling_rate)), T);
}

TalkModel::TalkModel(const TalkDirectory& model, const TalkWeights& weights)
    : shape_{.defaults = model.defaults,
             .fps = model.generator_config.fps,
             .speech_hz = model.generator_config.sampling_rate,
             .side = model.renderer_config.picture_side()},
      options_(talk_options(model.defaults)),
      parts_(std::make_shared<const TalkParts>(model, weights)) {
  card_.name = model.name;
  card_.family = "imtalker";
  card_.networks = {{"renderer", "IMTRenderer", weights.renderer.parameter_count()},
                    {"motion_generator", "FMGenerator", weights.motion_generator.parameter_count()},
                    {"audio_encoder", "Wav2Vec2Model", weights.audio_encoder.parameter_count()}};
  card_.is_small = parts_->like.device().is_cpu() && parameter_count(card_) < kSmallParameters;
  card_.description = fmt::format(
      "{}: talking heads of {}x{} at {} fps, {:.1f} M parameters, {} on {}{}", card_.name, shape_.side, shape_.side,
      shape_.fps, static_cast<double>(weights.parameter_count()) / 1e6, tensor::dtype_name(parts_->renderer.dtype()),
      parts_->like.device().str(), parts_->detector ? ", with face detector" : "");
}

Capabilities TalkModel::capabilities() const { return talk_capabilities(); }

std::unique_ptr<Plan> TalkModel::plan(const Request& request) const { return plan_talk(request, shape_, options_); }

bool TalkModel::crops(const Request& request) const {
  return request.options.get<bool>("crop").value_or(true) && request.options.get<std::string>("mode") != "reference";
}

std::vector<FaceBox> TalkModel::faces(const Image& image) const {
  if (!parts_->detector || std::min(image.height, image.width) < kLeastSearchedSide) return {};
  const c10::InferenceMode inference;
  return faces_in(tensor::borrowed_pixels(image), *parts_->detector);
}

Image TalkModel::crop(const Request& request, int64_t side) const {
  const c10::InferenceMode inference;
  const auto plan = plan_talk(request, shape_, options_);
  const at::Tensor pixels = tensor::borrowed_pixels(plan->image);
  // As the published server: cut out at its models' size first.
  at::Tensor face = cut(pixels, square_of(pixels, *plan, *parts_), kPublishedSide);
  if (side != kPublishedSide) face = tensor::resize(face, side, side, tensor::Resampling::lanczos);
  const auto owner = std::make_shared<at::Tensor>(face.contiguous());
  return {
      .rgb = std::shared_ptr<const uint8_t>(owner, owner->const_data_ptr<uint8_t>()), .height = side, .width = side};
}

std::unique_ptr<Generator> TalkModel::start(std::unique_ptr<Plan> plan) const {
  const c10::InferenceMode inference;
  auto& talk = dynamic_cast<TalkPlan&>(*plan);
  if (talk.driving && talk.crop) talk.driving_square = square_of_driving(*talk.driving, *parts_);
  TalkFrame picture = picture_of(talk, *parts_);
  talk.image = {};
  return std::make_unique<TalkGenerator>(parts_, std::move(talk), std::move(picture));
}

void TalkModel::prepare(std::span<const Waiting> together) const {
  const c10::InferenceMode inference;
  std::vector<TalkGenerator*> speakers;
  std::vector<const Inbox*> inboxes;
  for (const Waiting& waiting : together) {
    speakers.push_back(&dynamic_cast<TalkGenerator&>(*waiting.generator));
    inboxes.push_back(waiting.inbox);
  }
  TalkGenerator::hear(speakers, inboxes);
}

void TalkModel::warm_up() const {
  const auto begin = std::chrono::steady_clock::now();
  const int64_t side = parts_->renderer.config().picture_side();
  const auto grey =
      std::make_shared<const std::vector<uint8_t>>(static_cast<std::size_t>(side * side * 3), uint8_t{128});
  const auto generator = start(plan({.image = Image{{grey, grey->data()}, side, side}}));
  const auto seconds = static_cast<double>(parts_->generator.config().sampling_rate);
  Inbox inbox{.prompt = {},
              .speech = std::vector<float>(static_cast<std::size_t>(parts_->defaults.chunk_seconds * seconds)),
              .end_of_speech = true};
  while (generator->step(inbox).outcome == StepOutcome::again) inbox = {};
  log::debug("warm-up took {} ms",
             std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count());
}

}  // namespace rushes::generation
