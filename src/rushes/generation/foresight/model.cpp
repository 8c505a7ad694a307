#include "rushes/generation/foresight/model.h"

#include <fmt/format.h>

#include <utility>

#include "rushes/base/error.h"
#include "rushes/generation/foresight/generator.h"
#include "rushes/tensor/cpu_allocator.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

ForesightShape shape_of(const ForesightParts& parts) {
  ForesightShape shape;
  shape.has_text = parts.language() != nullptr;
  shape.has_vision = shape.has_text && parts.language()->vision.has_value();
  shape.has_video = parts.video().has_value();
  shape.has_adapter = parts.adapter().has_value();
  if (!shape.has_video) return shape;
  const ltx::Vae& vae = *parts.video()->vae;
  shape.encodes_images = vae.has_encoder();
  shape.removes_noise = vae.config().timestep_conditioning;
  shape.spatial_stride = vae.config().spatial_compression();
  shape.temporal_stride = vae.config().temporal_compression();
  return shape;
}

Image grey_picture(int64_t side) {
  const auto bytes = std::make_shared<const std::vector<uint8_t>>(static_cast<std::size_t>(side * side * 3), 128);
  return {.rgb = {bytes, bytes->data()}, .height = side, .width = side};
}

/// Of what the language model is to read: what it cannot is refused before anything is seen or made. Throws
/// Error(too_large).
void check_length(const ForesightPlan& plan, const qwen::Model& language) {
  qwen::PictureTokenCounts counts;
  const auto count = [&](const Image& image) {
    counts.push_back(language.picture_tokens({image.height, image.width}, plan.settings.picture_pixels));
  };
  for (const Image& image : plan.earlier_images) count(image);
  if (plan.image) count(*plan.image);
  language.ids(qwen::question_about(std::ssize(counts), plan.prompt), counts);
}

}  // namespace

ForesightModel::ForesightModel(ModelCard card, const ForesightSettings& defaults,
                               std::shared_ptr<const ForesightParts> parts)
    : card_(std::move(card)), defaults_(defaults), shape_(shape_of(*parts)), parts_(std::move(parts)) {
  card_.family = "foresight";
  shape_.trained_for = card_.trained_for;
  if (!shape_.has_text) defaults_.tracks = Tracks::video;
  if (!shape_.has_video) defaults_.tracks = Tracks::text;
  options_ = foresight_options(defaults_);
}

int64_t ForesightModel::working_bytes(const ForesightPlan& plan) const {
  if (!plan.settings.has_video() || !parts_->video()->vae->device().is_cpu()) return 0;
  const VideoParts& video = *parts_->video();
  const int64_t area = (plan.height / shape_.spatial_stride) * (plan.width / shape_.spatial_stride);
  const int64_t tokens = plan.latent_frames * area * (plan.settings.guided() ? 2 : 1);
  ltx::Tiling tiling;
  tiling.spatial = plan.settings.spatial_tiles;
  tiling.framewise = plan.settings.temporal_tiles && plan.settings.previews == 0;  // a preview shows all frames at once
  const int64_t decoding = video.vae->decoding_bytes(plan.video_frames, plan.height, plan.width, tiling);
  return std::max(video.transformer->pass_bytes(tokens), decoding);
}

std::unique_ptr<Plan> ForesightModel::plan(const Request& request) const {
  auto plan = plan_foresight(request, defaults_, options_, shape_);
  if (plan->settings.has_text()) check_length(*plan, *parts_->language());
  plan->working_bytes = working_bytes(*plan);
  if (plan->settings.has_video() && plan->conditioning != Conditioning::hybrid_encoder)
    for (Ignored& each : ignored_in(plan->prompt, "prompt")) plan->ignored.push_back(std::move(each));
  return plan;
}

std::vector<Ignored> ForesightModel::ignored_in(std::string_view prompt, std::string_view field) const {
  if (!shape_.has_video) return {};
  const int64_t tokens = parts_->video()->text->count_tokens(prompt);
  if (tokens <= kPromptTokens) return {};
  return {
      {std::string(field), fmt::format("of its {} tokens the video follows the first {}; the text is answered whole",
                                       tokens, kPromptTokens)}};
}

std::unique_ptr<Generator> ForesightModel::start(std::unique_ptr<Plan> plan) const {
  auto& own = dynamic_cast<ForesightPlan&>(*plan);
  const std::shared_ptr<Plan> kept = std::move(plan);
  return std::make_unique<ForesightGenerator>(parts_, std::shared_ptr<ForesightPlan>(kept, &own));
}

void ForesightModel::give_back_memory() const { tensor::trim_cpu_memory(); }

void ForesightModel::warm_up() const {
  Request request{.image = grey_picture(std::max<int64_t>(shape_.spatial_stride, 56)), .video_frames = 1};
  if (!shape_.has_vision && shape_.has_text) request.image.reset();
  if (shape_.has_text) request.options.set("max_new_tokens", int64_t{4});
  if (shape_.has_video) request.options.set("steps", int64_t{2});
  const auto generator = generation::start(*this, request);
  while (generator->step({}).outcome == StepOutcome::again) {}
}

}  // namespace rushes::generation
