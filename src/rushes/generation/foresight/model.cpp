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
  shape.spatial_stride = vae.config().spatial_compression();
  shape.temporal_stride = vae.config().temporal_compression();
  return shape;
}

Image grey_picture(int64_t side) {
  const auto bytes = std::make_shared<const std::vector<uint8_t>>(static_cast<std::size_t>(side * side * 3), 128);
  return {.rgb = {bytes, bytes->data()}, .height = side, .width = side};
}

}  // namespace

ForesightModel::ForesightModel(ModelCard card, const ForesightSettings& defaults,
                               std::shared_ptr<const ForesightParts> parts)
    : card_(std::move(card)), defaults_(defaults), shape_(shape_of(*parts)), parts_(std::move(parts)) {
  card_.family = "foresight";
  if (!shape_.has_text) defaults_.tracks = Tracks::video;
  if (!shape_.has_video) defaults_.tracks = Tracks::text;
  options_ = foresight_options(defaults_);
}

std::unique_ptr<Plan> ForesightModel::plan(const Request& request) const {
  auto plan = plan_foresight(request, defaults_, options_, shape_);
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
