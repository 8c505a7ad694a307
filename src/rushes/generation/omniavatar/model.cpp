#include "rushes/generation/omniavatar/model.h"

#include <utility>

#include "rushes/base/error.h"
#include "rushes/generation/omniavatar/causal_generator.h"
#include "rushes/generation/omniavatar/segment_generator.h"
#include "rushes/models/omniavatar/picture.h"
#include "rushes/tensor/cpu_allocator.h"
#include "rushes/tensor/image_pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

/// As the autoencoder takes it.
at::Tensor picture_of(const Image& image, const OmniAvatarPlan& plan) {
  const omniavatar::Size frame{plan.height, plan.width}, own{image.height, image.width};
  const omniavatar::Size resized = plan.settings.fit == Fit::crop  ? omniavatar::covering(own, frame)
                                   : plan.settings.fit == Fit::pad ? omniavatar::within(own, frame)
                                                                   : frame;
  return omniavatar::picture_pixels(tensor::borrowed_pixels(image), resized, frame);
}

void check_parts(const OmniAvatarParts& parts, const OmniAvatarSettings& defaults) {
  const omniavatar::TransformerConfig& config = parts.config();
  const auto& patch = config.wan.patch_size;
  require((defaults.causal() ? parts.causal != nullptr : parts.bidirectional != nullptr), ErrorCode::internal,
          "the sampler and the transformer differ");
  require(patch[0] == 1 && patch[1] == patch[2], ErrorCode::unsupported,
          "patch_size [{}, {}, {}]: only square patches of one latent frame are supported", patch[0], patch[1],
          patch[2]);
  require(config.wan.out_dim == parts.autoencoder->latent_channels(), ErrorCode::corrupt_data,
          "the transformer generates {} latent channels, but the autoencoder decodes {}", config.wan.out_dim,
          parts.autoencoder->latent_channels());
  require(config.condition_channels() == config.wan.out_dim + 1, ErrorCode::unsupported,
          "the transformer takes {} channels; an avatar's takes {}: latents, picture and a mask", config.wan.in_dim,
          2 * config.wan.out_dim + 1);
  const int64_t width = omniavatar::speech_feature_dim(parts.speech->config());
  require(config.speech.feature_dim == width, ErrorCode::corrupt_data,
          "the transformer takes {} numbers of speech a frame, but the speech encoder gives {}",
          config.speech.feature_dim, width);
  require(config.speech.group == parts.autoencoder->temporal_stride(), ErrorCode::unsupported,
          "the transformer packs the speech of {} video frames, but {} make a latent frame", config.speech.group,
          parts.autoencoder->temporal_stride());
}

}  // namespace

OmniAvatarModel::OmniAvatarModel(ModelCard card, const OmniAvatarSettings& defaults, OmniAvatarParts parts,
                                 PromptEncoder text)
    : card_(std::move(card)), defaults_(defaults), options_(omniavatar_options(defaults)), text_(std::move(text)) {
  card_.family = "omniavatar";
  check_parts(parts, defaults_);
  if (!card_.trained_for.is_known()) card_.trained_for = published_training(defaults_);
  shape_.trained_for = card_.trained_for;
  shape_.pixel_multiple = parts.autoencoder->spatial_stride() * parts.config().wan.patch_size[1];
  auto prompts = std::make_shared<PromptCache>(
      [encode = text_.encode, causal = parts.causal, bidirectional = parts.bidirectional](const std::string& prompt) {
        return causal ? causal->context(encode(prompt)) : bidirectional->context(encode(prompt));
      });
  parts.context = [prompts](const std::string& prompt) { return prompts->get(prompt); };
  parts.rounds_times = parts.options().dtype() == at::kBFloat16;
  parts_ = std::make_shared<const OmniAvatarParts>(std::move(parts));
}

std::unique_ptr<Plan> OmniAvatarModel::plan(const Request& request) const {
  auto plan = plan_omniavatar(request, defaults_, options_, shape_);
  if (parts_->options().device().is_cpu())
    plan->working_bytes = plan->settings.causal() ? CausalAvatarGenerator::working_bytes(*parts_, *plan)
                                                  : SegmentAvatarGenerator::working_bytes(*parts_, *plan);
  for (Ignored& each : text_.ignored_in(request.prompts)) plan->ignored.push_back(std::move(each));
  if (plan->settings.guided())
    for (Ignored& each : text_.ignored_in(plan->settings.negative_prompt, "negative_prompt"))
      plan->ignored.push_back(std::move(each));
  return plan;
}

std::unique_ptr<Generator> OmniAvatarModel::start(std::unique_ptr<Plan> plan) const {
  auto& own = dynamic_cast<OmniAvatarPlan&>(*plan);
  const c10::InferenceMode inference;
  at::Tensor picture;
  if (own.image) picture = picture_of(*own.image, own);
  own.image.reset();
  const std::shared_ptr<Plan> kept = std::move(plan);
  const std::shared_ptr<const OmniAvatarPlan> shared(kept, &own);
  auto noise = std::make_unique<SeededNoise>(shared->seed);
  if (shared->settings.causal())
    return std::make_unique<CausalAvatarGenerator>(parts_, shared, std::move(noise), std::move(picture));
  return std::make_unique<SegmentAvatarGenerator>(parts_, shared, std::move(noise), std::move(picture));
}

void OmniAvatarModel::prepare(std::span<const Waiting> together) const {
  const c10::InferenceMode inference;
  std::vector<CausalAvatarGenerator*> avatars;  // others have no shape
  std::vector<const Inbox*> inboxes;
  for (const Waiting& waiting : together) {
    avatars.push_back(&dynamic_cast<CausalAvatarGenerator&>(*waiting.generator));
    inboxes.push_back(waiting.inbox);
  }
  CausalAvatarGenerator::compute_together(avatars, inboxes);
}

void OmniAvatarModel::give_back_memory() const { tensor::trim_cpu_memory(); }

void OmniAvatarModel::warm_up() const {
  const auto generator = generation::start(*this, {.video_frames = 9});
  Inbox inbox{.end_of_speech = true};
  while (generator->step(std::exchange(inbox, {})).outcome == StepOutcome::again) {}
}

}  // namespace rushes::generation
