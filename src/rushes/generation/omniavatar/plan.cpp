#include "rushes/generation/omniavatar/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/generation/fit_effect.h"
#include "rushes/models/omniavatar/picture_size.h"
#include "rushes/models/omniavatar/segments.h"

namespace rushes::generation {
namespace {

constexpr ErrorCode kBad = ErrorCode::invalid_argument;
constexpr int64_t kMostImageSide = 16'384;
// Of three latent frames; the first one of a video becomes one frame instead of four.
constexpr int64_t kLatentFramesOfBlock = 3, kBlockFrames = 12, kMissingFrames = 3;

omniavatar::SegmentRule rule_of(const OmniAvatarPlan& plan) {
  return {.height = plan.height,
          .width = plan.width,
          .max_tokens = plan.settings.max_tokens,
          .overlap = plan.settings.overlap_video_frames,
          .fps = plan.settings.fps,
          .hz = kAvatarSpeechHz};
}

/// What the networks can make that is nearest to what is asked for.
int64_t plan_side(OmniAvatarPlan& plan, const char* field, int64_t asked, const OmniAvatarShape& model) {
  const int64_t unit = model.pixel_multiple, side = std::max(unit, (asked + unit / 2) / unit * unit);
  require(side <= model.max_side, kBad, "{} must be from {} to {} (got {})", field, unit, model.max_side, asked);
  if (side != asked)
    plan.ignored.push_back({field, fmt::format("{} is not a multiple of {}; {} is taken", asked, unit, side)});
  return side;
}

void check_image(const Image& image, const OmniAvatarShape& model) {
  require(model.encodes_images, ErrorCode::unsupported, "image: this model's autoencoder has no encoder");
  require(image.rgb != nullptr && image.height > 0 && image.width > 0, kBad, "image must not be empty");
  require(std::max(image.height, image.width) <= kMostImageSide, ErrorCode::too_large,
          "image is {}x{}; at most {} pixels on each side are allowed", image.width, image.height, kMostImageSide);
}

void plan_size(OmniAvatarPlan& plan, const Request& request, const OmniAvatarSettings& own,
               const OmniAvatarShape& model) {
  plan.height = request.height.value_or(own.height);
  plan.width = request.width.value_or(own.width);
  if (request.image && !request.height && !request.width && plan.settings.max_hw != 0) {
    const omniavatar::Size size = omniavatar::nearest_size({request.image->height, request.image->width},
                                                           omniavatar::published_sizes(plan.settings.max_hw));
    plan.height = size.height;
    plan.width = size.width;
  }
  plan.height = plan_side(plan, "height", plan.height, model);
  plan.width = plan_side(plan, "width", plan.width, model);
}

void plan_length(OmniAvatarPlan& plan, const Request& request) {
  require(request.segments.value_or(1) <= 1, ErrorCode::unsupported,
          "segments cannot be set: the video is as long as the speech, or as frames says; 0 means endless");
  plan.endless = request.segments == 0;
  plan.video_frames = request.video_frames;
  require(!(plan.endless && plan.video_frames), kBad, "segments 0 means endless, but frames is {}; give one of the two",
          plan.video_frames.value_or(0));
}

void plan_prompts(OmniAvatarPlan& plan, const Request& request) {
  plan.prompts = request.prompts;
  if (plan.prompts.empty())
    plan.prompts = {""};
  else
    check_prompts(plan.prompts);
  require(!plan.settings.causal() || plan.prompts.size() == 1, ErrorCode::unsupported,
          "prompts: this model makes one stream and takes one prompt; set another while it runs");
}

/// Where the length is known: blocks that look back on all of the video look no further, and forget nothing.
void note_window(OmniAvatarPlan& plan, const Options& options, const OmniAvatarShape& model) {
  const OmniAvatarSettings& settings = plan.settings;
  const bool of_one_length = settings.silent && !plan.endless && !plan.video_frames;
  const auto frames = of_one_length ? kSilentVideoFrames : plan.video_frames;
  if (!frames) return;
  const int64_t unit = model.pixel_multiple, tokens = (plan.height / unit) * (plan.width / unit),
                blocks = (*frames + kMissingFrames + kBlockFrames - 1) / kBlockFrames,
                all = blocks * kLatentFramesOfBlock,
                usual = std::max(settings.cache_tokens / tokens, kLatentFramesOfBlock + settings.sink);
  constexpr const char* kReason = "the video is shorter than what its blocks look back on";
  if (settings.window.value_or(usual) < all) return;
  if (options.has("sink")) plan.ignored.push_back({"sink", kReason});
  if (options.has("window") && usual >= all) plan.ignored.push_back({"window", kReason});
}

void note_unused(OmniAvatarPlan& plan, const Request& request, const Options& options, const OmniAvatarShape& model) {
  const OmniAvatarSettings& settings = plan.settings;
  for (std::string& name : ignored_options(options, settings.sampler))
    plan.ignored.push_back({std::move(name), settings.causal()
                                                 ? "this model works block by block, without guidance and segments"
                                                 : "this model makes segments of speech that has ended"});
  if (!settings.causal() && !settings.guided())
    for (const char* name : {"audio_scale", "negative_prompt"})
      if (options.has(name)) plan.ignored.push_back({name, "guidance_scale 1 means without guidance"});
  if (!settings.causal() && settings.guidance_scale == 0 && settings.audio_scale.value_or(0) == 0 &&
      !request.prompts.empty())
    plan.ignored.push_back({"prompt", "guidance_scale 0 follows the negative prompt alone"});
  if (settings.causal()) note_window(plan, options, model);
  if (settings.causal() && settings.silent && options.has("reference_lengths"))
    plan.ignored.push_back({"reference_lengths", "there is no speech"});
  if (!request.image)
    for (const char* name : {"fit", "max_hw"})
      if (options.has(name)) plan.ignored.push_back({name, "there is no image"});
  if (request.image && options.has("fit") && !fit_has_effect(*request.image, plan.height, plan.width))
    plan.ignored.push_back({"fit", kNothingToFit});
  if (request.image && options.has("own_reference")) plan.ignored.push_back({"own_reference", "there is an image"});
  if (request.image && (request.height || request.width) && options.has("max_hw"))
    plan.ignored.push_back({"max_hw", "height and width are given"});
}

}  // namespace

TrainedFor published_training(const OmniAvatarSettings& own) {
  TrainedFor trained_for{.sizes = {{own.height, own.width}}};
  if (own.max_hw == 0) return trained_for;
  for (const int64_t longest : {720, 1280})
    for (const FrameSize& size : omniavatar::published_sizes(longest))
      if (std::find(trained_for.sizes.begin(), trained_for.sizes.end(), size) == trained_for.sizes.end())
        trained_for.sizes.push_back(size);
  return trained_for;
}

Capabilities omniavatar_capabilities() {
  return {.takes = Modality::text | Modality::image,
          .needs = {},
          .feeds = Modality::text | Modality::audio,
          .yields = Modality::video | Modality::audio,
          .forks = true,
          .endless = true};
}

VideoFormat OmniAvatarPlan::format() const {
  VideoFormat format{.height = height,
                     .width = width,
                     .fps = settings.fps,
                     .video_frames = video_frames,
                     .audio_hz = settings.silent ? 0 : kAvatarSpeechHz,
                     .speech_hz = settings.silent ? 0 : kAvatarSpeechHz};
  if (!settings.causal())
    format.hearing = Hearing::utterances;
  else if (!settings.online_mode)
    format.hearing = Hearing::whole;
  if (format.hearing != Hearing::as_it_comes) format.most_clip_seconds = kMostClipSeconds;
  if (!video_frames) return format;  // follows from the speech
  if (settings.causal()) {
    format.segments = 1;
    format.blocks_per_segment = (*video_frames + kMissingFrames + kBlockFrames - 1) / kBlockFrames;
  } else {
    const auto samples = static_cast<int64_t>(static_cast<double>(*video_frames - 1) *
                                              (static_cast<double>(kAvatarSpeechHz) / settings.fps));
    format.segments = omniavatar::segments_of_speech(samples, rule_of(*this)).count;
    format.blocks_per_segment = format.blocks_per_later_segment = 1;
  }
  return format;
}

std::unique_ptr<OmniAvatarPlan> plan_omniavatar(const Request& request, const OmniAvatarSettings& defaults,
                                                std::span<const OptionField> fields, const OmniAvatarShape& model) {
  const Options options = checked(request.options, fields);
  check_numbers(request);
  require(!request.video, ErrorCode::unsupported, "video: this model does not accept a video");
  require(!request.fps || *request.fps == defaults.fps, ErrorCode::unsupported,
          "fps cannot be changed: this model generates {} frames per second", defaults.fps);
  auto plan = std::make_unique<OmniAvatarPlan>();
  plan->settings = defaults;
  apply(options, plan->settings);
  plan->seed = request.seed;
  plan_prompts(*plan, request);
  plan_length(*plan, request);
  if (request.image) check_image(*request.image, model);
  plan_size(*plan, request, defaults, model);
  if (request.image) {
    plan->image = request.image;
    plan->image_use = image_use(*request.image, plan->height, plan->width, plan->settings.fit);
  }
  if (plan->settings.causal()) {
    const int64_t window = plan->settings.window.value_or(0), sink = plan->settings.sink;
    require(!plan->settings.window || sink + 3 <= window, kBad,
            "sink must leave room for a block of 3 latent frames in the window of {} (got {})", window, sink);
  }
  // Blocks follow each other without end. A segment is made at once; its rule throws where it leaves no new frames.
  const int64_t at_once = plan->settings.causal() ? 0 : omniavatar::segments_of_speech(0, rule_of(*plan)).video_frames;
  plan->warnings = model.trained_for.warnings({plan->height, plan->width}, at_once);
  note_unused(*plan, request, options, model);
  return plan;
}

}  // namespace rushes::generation
