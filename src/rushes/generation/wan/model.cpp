#include "rushes/generation/wan/model.h"

#include <chrono>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/first_image.h"
#include "rushes/models/wan/pixels.h"
#include "rushes/tensor/image_pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {

std::shared_ptr<const wan::TextContext> PromptCache::get(const std::string& prompt) {
  {
    const std::scoped_lock lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->first != prompt) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entries_.front().second;
    }
  }
  const c10::InferenceMode inference;
  auto context = std::make_shared<const wan::TextContext>(encode_(prompt));
  const std::scoped_lock lock(mutex_);
  entries_.emplace_front(prompt, context);
  if (entries_.size() > capacity_) entries_.pop_back();
  return context;
}

namespace {

constexpr std::size_t kMostIgnored = 16;  // that are named: a thousand prompts may be too long

at::Tensor resized(const at::Tensor& image, int64_t height, int64_t width) {
  return wan::image_to_frame(image, height, width);
}

struct WanPlanned final : Plan {
  WanPlan plan;
  std::optional<Image> image;
  VideoFormat format() const override { return plan.format(); }
};

}  // namespace

WanModel::WanModel(ModelCard card, wan::Defaults defaults, std::shared_ptr<const wan::CausalTransformer> transformer,
                   std::shared_ptr<const wan::Autoencoder> decoder, std::shared_ptr<const wan::Autoencoder> encoder,
                   PromptEncoder text)
    : card_(std::move(card)), defaults_(std::move(defaults)), text_(std::move(text)) {
  card_.family = "wan";
  const auto& patch = transformer->config().patch_size;
  require(patch[0] == 1 && patch[1] == patch[2], ErrorCode::unsupported,
          "patch_size [{}, {}, {}]: block-by-block generation supports only square patches of one latent frame",
          patch[0], patch[1], patch[2]);
  require(transformer->config().out_dim == decoder->latent_channels(), ErrorCode::corrupt_data,
          "the transformer generates {} latent channels, but the autoencoder decodes {}", transformer->config().out_dim,
          decoder->latent_channels());
  limits_.pixel_multiple = decoder->spatial_stride() * patch[1];
  limits_.temporal_stride = decoder->temporal_stride();
  limits_.encodes_images = encoder != nullptr;
  limits_.trained_for = card_.trained_for;
  options_ = wan_options(defaults_, limits_);
  auto prompts = std::make_shared<PromptCache>(
      [encode = text_.encode, transformer](const std::string& prompt) { return transformer->context(encode(prompt)); });
  parts_ =
      std::make_shared<const WanParts>(WanParts{std::move(transformer), std::move(decoder), std::move(encoder),
                                                [prompts](const std::string& prompt) { return prompts->get(prompt); }});
}

Capabilities WanModel::capabilities() const { return wan_capabilities(limits_.encodes_images); }

std::unique_ptr<Plan> WanModel::plan(const Request& request) const {
  auto planned = std::make_unique<WanPlanned>();
  planned->plan = plan_video(request, defaults_, limits_, options_);
  planned->working_bytes = WanGenerator::working_bytes(*parts_, planned->plan);
  planned->image = request.image;
  planned->ignored = std::move(planned->plan.ignored);
  planned->warnings = std::move(planned->plan.warnings);
  const auto add = [&](std::vector<Ignored> more) {
    for (Ignored& each : more) planned->ignored.push_back(std::move(each));
  };
  add(text_.ignored_in(request.prompts));
  if (planned->plan.denoising_steps.empty()) add(ignored_in(planned->plan.negative_prompt, "negative_prompt"));
  if (request.image)
    planned->image_use = image_use(*request.image, planned->plan.height, planned->plan.width, planned->plan.fit);
  return planned;
}

std::vector<Ignored> WanModel::ignored_in(std::string_view prompt, std::string_view field) const {
  return text_.ignored_in(prompt, field);
}

std::vector<Ignored> PromptEncoder::ignored_in(std::string_view prompt, std::string_view field) const {
  const int64_t counted = count(prompt);
  if (counted <= tokens) return {};
  return {{std::string(field), fmt::format("the text encoder reads {} tokens; the last {} of {} are cut off", tokens,
                                           counted - tokens, counted)}};
}

std::vector<Ignored> PromptEncoder::ignored_in(const std::vector<std::string>& prompts) const {
  std::vector<Ignored> all;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    for (Ignored& each : ignored_in(prompts[i], prompts.size() == 1 ? "prompt" : fmt::format("prompts[{}]", i)))
      if (all.size() < kMostIgnored) all.push_back(std::move(each));
  return all;
}

std::unique_ptr<Generator> WanModel::start(std::unique_ptr<Plan> plan) const {
  auto& planned = dynamic_cast<WanPlanned&>(*plan);
  const c10::InferenceMode inference;
  at::Tensor image;
  if (planned.image) {
    image = first_frame(tensor::borrowed_pixels(*planned.image), planned.plan.height, planned.plan.width,
                        planned.plan.fit, resized);
  }
  auto noise = std::make_unique<SeededNoise>(planned.plan.seed);
  return std::make_unique<WanGenerator>(parts_, std::move(planned.plan), std::move(noise), std::move(image));
}

void WanModel::warm_up() const {
  const auto begin = std::chrono::steady_clock::now();
  const auto generator = start(plan({.prompts = {"warm-up"}}));
  for (int64_t blocks = 0; blocks == 0;)
    for (const Event& event : generator->step({}).events) blocks += std::holds_alternative<FrameBlock>(event);
  log::debug("warm-up took {} ms",
             std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count());
}

}  // namespace rushes::generation
