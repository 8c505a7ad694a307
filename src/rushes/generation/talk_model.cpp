#include "rushes/generation/talk_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/talk_generator.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using Mode = TalkOptions::Mode;

constexpr double kReferenceMotionScale = 0.6;  // of the published servers
constexpr double kLeastChunk = 0.04, kMostChunk = 10.0;
constexpr int64_t kPublishedSide = 512;
constexpr int64_t kLeastSide = 32, kMostSide = 4096;  // of a picture that frames are pasted into

/// A row that holds for every frame.
template <std::size_t N>
std::optional<at::Tensor> row(const char* field, const std::optional<std::array<double, N>>& values) {
  if (!values) return std::nullopt;
  for (const double value : *values)
    require(std::isfinite(value) && std::abs(value) <= 1000, ErrorCode::invalid_argument,
            "{} must be {} numbers from -1000 to 1000 (got {})", field, N, value);
  return at::tensor(std::vector<float>(values->begin(), values->end()), at::TensorOptions(at::kFloat)).unsqueeze(0);
}

const TalkOptions& options_of(const VideoRequest& request) {
  static const TalkOptions kDefaults;
  return request.talk ? *request.talk : kDefaults;
}

TalkPlan plan_talk(const VideoRequest& request, const TalkParts& parts) {
  const TalkOptions& options = options_of(request);
  require(request.image.has_value(), ErrorCode::invalid_argument, "image is missing: the portrait that shall talk");
  const VideoRequest::Image& image = *request.image;
  require(image.height >= kLeastSide && image.width >= kLeastSide, ErrorCode::invalid_argument,
          "image is {}x{}; a portrait has at least {} pixels a side", image.width, image.height, kLeastSide);
  require(options.crop || std::max(image.height, image.width) <= kMostSide, ErrorCode::too_large,
          "image is {}x{}; without crop at most {} pixels a side become a video", image.width, image.height, kMostSide);
  TalkPlan plan;
  plan.mode = options.mode;
  plan.chunk_seconds = options.chunk_seconds.value_or(parts.defaults.chunk_seconds);
  require(plan.chunk_seconds >= kLeastChunk && plan.chunk_seconds <= kMostChunk, ErrorCode::invalid_argument,
          "chunk_duration must be {} to {} seconds (got {})", kLeastChunk, kMostChunk, plan.chunk_seconds);
  plan.chunk_frames = std::max<int64_t>(1, std::llround(plan.chunk_seconds * parts.generator.config().fps));
  plan.motion_scale = plan.mode == Mode::reference ? kReferenceMotionScale : parts.defaults.motion_scale;
  plan.motion.guidance_scale = request.guidance_scale.value_or(parts.defaults.cfg_scale);
  plan.motion.time_points = request.steps.value_or(parts.defaults.nfe);
  require(plan.motion.time_points >= 2 && plan.motion.time_points <= 1000, ErrorCode::invalid_argument,
          "nfe must be 2 to 1000 time points of the solver (got {})", plan.motion.time_points);
  require(plan.motion.guidance_scale >= 0 && plan.motion.guidance_scale <= 20, ErrorCode::invalid_argument,
          "cfg_scale must be 0 to 20 (got {})", plan.motion.guidance_scale);
  require(options.crop_scale >= 0.1 && options.crop_scale <= 4, ErrorCode::invalid_argument,
          "crop_scale must be 0.1 to 4 (got {})", options.crop_scale);
  plan.seed = static_cast<uint64_t>(request.seed);
  plan.fps = options.driving ? options.driving->fps() : parts.generator.config().fps;
  plan.driving = options.driving;
  require(!plan.driving || plan.mode == Mode::aligned, ErrorCode::invalid_argument,
          "mode reference is a way to cut speech into windows; a driving video has none");
  plan.pose = row("pose_style", options.pose);
  plan.gaze = row("gaze_style", options.gaze);
  const int64_t side = parts.renderer.config().picture_side();
  // The usual video formats know even sides only.
  plan.height = options.crop ? side : image.height / 2 * 2;
  plan.width = options.crop ? side : image.width / 2 * 2;
  return plan;
}

/// The request's picture [H, W, 3], borrowed.
at::Tensor pixels_of(const VideoRequest::Image& image) {
  // from_blob takes a mutable pointer; what follows only reads.
  return at::from_blob(const_cast<uint8_t*>(image.rgb.get()), {image.height, image.width, 3}, at::kByte);
}

imtalker::Square square_of(const at::Tensor& pixels, const TalkOptions& options, const TalkParts& parts) {
  std::vector<imtalker::FaceBox> faces;
  if (parts.detector)
    faces = parts.detector->detect(pixels).faces;
  else if (const auto& face = options.face)
    faces.push_back({.x1 = (*face)[0], .y1 = (*face)[1], .x2 = (*face)[2], .y2 = (*face)[3], .score = 1});
  return imtalker::face_square(faces, pixels.size(0), pixels.size(1), imtalker::CropRule::server(options.crop_scale))
      .value();
}

/// What the square shows, [side, side, 3].
at::Tensor cut(const at::Tensor& pixels, const imtalker::Square& s, int64_t side) {
  return tensor::resize(pixels.slice(0, s.y1, s.y2).slice(1, s.x1, s.x2).contiguous(), side, side,
                        tensor::Resampling::bicubic);
}

TalkPicture picture_of(const VideoRequest& request, const TalkParts& parts) {
  const TalkOptions& options = options_of(request);
  const at::Tensor pixels = pixels_of(*request.image);
  TalkPicture picture;
  picture.square = square_of(pixels, options, parts);
  picture.face =
      imtalker::pixels_to_frames(cut(pixels, picture.square, parts.renderer.config().picture_side())).to(parts.like);
  if (!options.crop) picture.whole = imtalker::pixels_to_frames(pixels).to(parts.like.device());
  return picture;
}

/// The widest face of some frames, looked for on copies of height 360 as published.
imtalker::Square square_of_driving(const TalkOptions& options, const TalkParts& parts) {
  constexpr int64_t kSearchedHeight = 360;
  std::vector<imtalker::FaceBox> faces;
  for (const auto& face : options.driving_faces)
    faces.push_back({.x1 = face[0], .y1 = face[1], .x2 = face[2], .y2 = face[3], .score = 1});
  const auto first = options.driving->frame(0);
  require(first.has_value(), ErrorCode::corrupt_data, "the driving video has no frames");
  for (int64_t i = 0; parts.detector && i < kMostFacesLookedFor; ++i) {
    const auto picture = options.driving->frame(i * kFaceEvery);
    if (!picture) break;
    const double scale = static_cast<double>(picture->height) / static_cast<double>(kSearchedHeight);
    const auto width = std::max<int64_t>(1, std::llround(static_cast<double>(picture->width) / scale));
    const auto found =
        parts.detector
            ->detect(tensor::resize(pixels_of(*picture), kSearchedHeight, width, tensor::Resampling::bilinear))
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
      like(weights.renderer.tensors().begin()->second.options().requires_grad(std::nullopt)) {
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
    : name_(model.name), parts_(std::make_shared<const TalkParts>(model, weights)) {
  const int64_t side = model.renderer_config.picture_side();
  description_ = fmt::format("{}: talking heads of {}x{} at {} fps, {:.1f} M parameters, {} on {}{}", name_, side, side,
                             model.generator_config.fps, static_cast<double>(weights.parameter_count()) / 1e6,
                             at::toString(c10::typeMetaToScalarType(parts_->like.dtype())), parts_->like.device().str(),
                             parts_->detector ? ", with face detector" : "");
}

VideoFormat TalkModel::plan(const VideoRequest& request) const {
  return plan_talk(request, *parts_).format(parts_->generator.config().sampling_rate);
}

VideoRequest::Image TalkModel::portrait(const VideoRequest& request, int64_t side) const {
  const c10::InferenceMode inference;
  plan_talk(request, *parts_);
  const at::Tensor pixels = pixels_of(*request.image);
  // As the published server: cut out at its models' size first.
  at::Tensor face = cut(pixels, square_of(pixels, options_of(request), *parts_), kPublishedSide);
  if (side != kPublishedSide) face = tensor::resize(face, side, side, tensor::Resampling::lanczos);
  const auto owner = std::make_shared<at::Tensor>(face.contiguous());
  return {
      .rgb = std::shared_ptr<const uint8_t>(owner, owner->const_data_ptr<uint8_t>()), .height = side, .width = side};
}

std::unique_ptr<Generator> TalkModel::start(const VideoRequest& request) const {
  const c10::InferenceMode inference;
  TalkPlan plan = plan_talk(request, *parts_);
  if (plan.driving && options_of(request).crop) plan.driving_square = square_of_driving(options_of(request), *parts_);
  return std::make_unique<TalkGenerator>(parts_, std::move(plan), picture_of(request, *parts_));
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
  VideoRequest request;
  request.image = VideoRequest::Image{{grey, grey->data()}, side, side};
  const auto generator = start(request);
  const auto seconds = static_cast<double>(parts_->generator.config().sampling_rate);
  Inbox inbox{.prompt = {},
              .speech = std::vector<float>(static_cast<std::size_t>(parts_->defaults.chunk_seconds * seconds)),
              .end_of_speech = true};
  while (generator->step(inbox).outcome == StepOutcome::again) inbox = {};
  log::debug("warm-up took {} ms",
             std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count());
}

}  // namespace rushes::generation
