#include "rushes/generation/ditto/model.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/ditto/avatar.h"
#include "rushes/generation/ditto/generator.h"
#include "rushes/tensor/dtype.h"
#include "rushes/tensor/image_pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

constexpr std::string_view kEyesAssumed =
    "no reference character is given, and the eyes of the source are not measured: they count as shut and straight; "
    "give "
    "ch_info";

const tensor::WeightMap& of(const DittoWeights& weights, const char* part) { return weights.at(part); }

const char* type_of(std::string_view part) {
  return part == "audio_encoder"          ? "HuBERT"
         : part == "lmdm"                 ? "LMDM"
         : part == "motion_extractor"     ? "ConvNeXtV2"
         : part == "appearance_extractor" ? "AppearanceFeatureExtractor"
         : part == "stitch_network"       ? "StitchNetwork"
         : part == "warp_network"         ? "WarpingNetwork"
                                          : "SPADEDecoder";
}

}  // namespace

DittoParts::DittoParts(const DittoDirectory& model, const DittoWeights& weights)
    : lmdm(of(weights, "lmdm"), model.motion.heads),
      appearance(of(weights, "appearance_extractor"), model.appearance_depth),
      motion(of(weights, "motion_extractor")),
      stitch(of(weights, "stitch_network")),
      warp(of(weights, "warp_network")),
      decoder(of(weights, "decoder")),
      source(appearance, motion, model.image_side, of(weights, "motion_extractor").tensors().begin()->second.device()),
      renderer(warp, decoder),
      config(model.motion),
      frame_dtype(of(weights, "warp_network").at("fourth.weight").scalar_type()) {
  if (weights.contains("audio_encoder"))
    speech.emplace(model.audio, of(weights, "audio_encoder"));
  else
    speech_graph = std::make_unique<const tensor::OnnxGraph>(model.files.at("audio_encoder"));
  if (model.files.contains("mesh_detector") && model.files.contains("mesh"))
    eyes = std::make_unique<const DittoEyes>(model.files);
  if (model.files.contains("detector")) detectors = std::make_unique<const DittoDetectors>(model.files);
  const int64_t condition = model.audio.hidden_size + (config.use_emo ? 8 : 0) + (config.use_eye_open ? 2 : 0) +
                            (config.use_eye_ball ? 6 : 0) + (config.use_sc ? ditto::kExpression : 0);
  require(lmdm.condition() == condition, ErrorCode::corrupt_data,
          "the motion model takes {} condition numbers a frame, but the encoder's {} and the parts in use are {}",
          lmdm.condition(), model.audio.hidden_size, condition);
  require(lmdm.frames() == config.frames, ErrorCode::corrupt_data,
          "the motion model has windows of {} frames, the configuration says {}", lmdm.frames(), config.frames);
  require(!lmdm.takes_condition_frames(), ErrorCode::unsupported,
          "the motion model takes a condition frame for each frame, which no published configuration uses");
}

ditto::SpeechFeatures DittoParts::speech_features(const ditto::ChunkSize& chunk) const {
  if (speech) return {std::cref(*speech), chunk};
  // The published graphs have no axis for the batch in what they give.
  return {[this](const at::Tensor& windows) {
            std::vector<at::Tensor> rows;
            for (const at::Tensor& window : windows.split(1)) {
              const at::Tensor found = speech_graph->run(window).front();
              rows.push_back(found.reshape({1, found.numel() / found.size(-1), found.size(-1)}));
            }
            return at::cat(rows);
          },
          chunk};
}

ditto::SourceFrame DittoParts::encode(const Image& image, const DittoSettings& settings,
                                      const std::optional<FaceBox>& face, at::Tensor& points) const {
  const at::Tensor pixels = ditto::fitted(tensor::borrowed_pixels(image), settings.max_size);
  const double across = static_cast<double>(pixels.size(1)) / static_cast<double>(image.width),
               down = static_cast<double>(pixels.size(0)) / static_cast<double>(image.height);
  if (settings.points.defined()) {
    points = settings.points * at::tensor({across, down}, at::TensorOptions(at::kFloat));
  } else if (points.defined()) {
    points = detectors->next_points(pixels, points);
  } else {
    std::optional<FaceBox> there = face;
    if (there) there = FaceBox{(*face)[0] * across, (*face)[1] * down, (*face)[2] * across, (*face)[3] * down};
    points = detectors->points(pixels, there);
  }
  return source.encode(pixels, points, settings.crop);
}

std::shared_ptr<const ditto::MotionSampler> DittoParts::sampler(int64_t steps) const {
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<const ditto::MotionSampler>& sampler = samplers_[steps];
  if (!sampler) sampler = std::make_shared<const ditto::MotionSampler>(lmdm, steps);
  return sampler;
}

DittoModel::DittoModel(const DittoDirectory& model, const DittoWeights& weights)
    : shape_{.name = model.name,
             .avatars = model.directory / "avatars",
             .finds_points = model.files.contains("detector"),
             .feels = model.motion.use_emo,
             .sees_eyes = model.motion.use_eye_open || model.motion.use_eye_ball},
      defaults_(ditto_settings(model)),
      options_(ditto_options(defaults_)),
      parts_(std::make_shared<const DittoParts>(model, weights)) {
  card_.name = model.name;
  card_.family = "ditto";
  for (const char* part : kDittoParts)
    if (weights.contains(part)) card_.networks.push_back({part, type_of(part), weights.at(part).parameter_count()});
  const at::Device device = weights.at("decoder").tensors().begin()->second.device();
  card_.is_small = device.is_cpu() && parameter_count(card_) < kSmallParameters;
  card_.description =
      fmt::format("{}: talking heads, {}x{} drawn into the source at {} fps, {:.1f} M parameters, {} on {}", card_.name,
                  side(), side(), kDittoFps, static_cast<double>(parameter_count(card_)) / 1e6,
                  tensor::dtype_name(parts_->frame_dtype), device.str());
  const bool needs_eyes =
      (parts_->config.use_eye_open || parts_->config.use_eye_ball) && !defaults_.character && !parts_->eyes;
  if (needs_eyes) card_.assumptions.emplace_back(kEyesAssumed);
}

Options DittoModel::live_options(const Options& given) const {
  Options live = Model::live_options(given);
  DittoSettings settings = defaults_;
  apply(live, settings);  // says what the JSON of one may be
  return live;
}

std::unique_ptr<Plan> DittoModel::plan(const Request& request) const {
  return plan_ditto(request, defaults_, options_, shape_);
}

std::unique_ptr<Generator> DittoModel::start(std::unique_ptr<Plan> plan) const {
  const c10::InferenceMode inference;
  auto& own = dynamic_cast<DittoPlan&>(*plan);
  std::optional<Image> image = std::exchange(own.image, std::nullopt);
  const std::shared_ptr<Plan> kept = std::move(plan);
  return std::make_unique<DittoGenerator>(parts_, std::shared_ptr<const DittoPlan>(kept, &own), std::move(image));
}

void DittoModel::prepare(std::span<const Waiting> together) const {
  const c10::InferenceMode inference;
  std::vector<DittoGenerator*> speakers;
  for (const Waiting& waiting : together) speakers.push_back(&dynamic_cast<DittoGenerator&>(*waiting.generator));
  DittoGenerator::speak_together(speakers);
}

std::vector<FaceBox> DittoModel::faces(const Image& image) const {
  if (!parts_->detectors) return {};
  const c10::InferenceMode inference;
  return parts_->detectors->faces(tensor::borrowed_pixels(image));
}

Image DittoModel::crop(const Request& request, int64_t side) const {
  const c10::InferenceMode inference;
  const auto plan = plan_ditto(request, defaults_, options_, shape_);
  const std::optional<Image> shown = plan->video ? plan->video->frame(0) : plan->image;
  require(shown.has_value(), ErrorCode::invalid_argument, "image is missing; there is nothing to crop");
  const at::Tensor pixels = tensor::borrowed_pixels(*shown);
  const at::Tensor points =
      plan->settings.points.defined() ? plan->settings.points : parts_->detectors->points(pixels, plan->face.box);
  const ditto::Affine map = ditto::crop_map(points, side, plan->settings.crop);
  const auto owner = std::make_shared<at::Tensor>(ditto::warp_affine(pixels, map, side, side));
  return {
      .rgb = std::shared_ptr<const uint8_t>(owner, owner->const_data_ptr<uint8_t>()), .height = side, .width = side};
}

void DittoModel::register_avatar(const Request& request, const std::filesystem::path& file) const {
  const c10::InferenceMode inference;
  const auto plan = plan_ditto(request, defaults_, options_, shape_);
  require(plan->image.has_value(), ErrorCode::unsupported, "an avatar is made of an image");
  at::Tensor points;
  save_avatar(file, parts_->encode(*plan->image, plan->settings, plan->face.box, points), shape_.name);
}

void DittoModel::warm_up() const {
  const int64_t side = this->side();
  const auto grey =
      std::make_shared<const std::vector<uint8_t>>(static_cast<std::size_t>(side * side * 3), uint8_t{128});
  const auto generator = generation::start(
      *this, {.image = Image{.rgb = {grey, grey->data()}, .height = side, .width = side}, .video_frames = 1});
  Inbox inbox{.speech = std::vector<float>(ditto::kFrameSamples * 2, 0.0f), .end_of_speech = true};
  for (StepResult result = generator->step(inbox); result.outcome == StepOutcome::again; result = generator->step({}))
    ;
}

}  // namespace rushes::generation
