#include "rushes/generation/foresight/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/generation/fit_effect.h"
#include "rushes/models/ltx/clip_size.h"

namespace rushes::generation {
namespace {

constexpr ErrorCode kBad = ErrorCode::invalid_argument;
constexpr int64_t kMostImageSide = 16'384;
constexpr int64_t kMostAspect = 200;  // of a picture: what the vision model was made for

void check_image(const Image& image, std::string_view field) {
  require(image.rgb != nullptr && image.height > 0 && image.width > 0, kBad, "{} must not be empty", field);
  const int64_t longer = std::max(image.height, image.width), shorter = std::min(image.height, image.width);
  require(longer <= kMostImageSide, ErrorCode::too_large, "{} is {}x{}; at most {} pixels on each side are allowed",
          field, image.width, image.height, kMostImageSide);
  require(longer <= kMostAspect * shorter, kBad, "{} is {}x{}; its longer side may be at most {} times the shorter one",
          field, image.width, image.height, kMostAspect);
}

void check_side(std::string_view field, int64_t value, const ForesightShape& model) {
  const int64_t unit = model.spatial_stride;
  require(value >= unit && value <= model.max_side, kBad, "{} must be from {} to {} (got {})", field, unit,
          model.max_side, value);
  require(value % unit == 0, kBad, "{} must be a multiple of {} (got {}; use {} or {})", field, unit, value,
          value - value % unit, value - value % unit + unit);
}

void plan_images(ForesightPlan& plan, const Request& request, const ForesightShape& model) {
  const int64_t earlier = std::ssize(request.earlier_images);
  require(earlier < kMostPictures, ErrorCode::too_large, "a conversation may have at most {} images (got {})",
          kMostPictures, earlier + 1);
  require(request.image || request.earlier_images.empty(), kBad, "earlier images without a newest one");
  if (!request.image) return;
  check_image(*request.image, "image");
  for (int64_t i = 0; i < earlier; ++i)
    check_image(request.earlier_images[static_cast<std::size_t>(i)], fmt::format("earlier_images[{}]", i));
  require(model.has_vision || !plan.settings.has_text(), ErrorCode::unsupported,
          "image: this model's language model cannot see");
  plan.image = request.image;
  const int64_t read = std::min(earlier, plan.settings.pictures - 1);
  plan.earlier_images.assign(request.earlier_images.end() - read, request.earlier_images.end());
  if (read < earlier && plan.settings.has_text())
    plan.ignored.push_back({"earlier_images", fmt::format("with pictures {} the words are about the newest {} alone",
                                                          plan.settings.pictures, read == 0 ? "one" : "ones")});
}

void plan_prompt(ForesightPlan& plan, const Request& request) {
  require(request.prompts.size() <= 1, ErrorCode::unsupported, "prompts: this model takes one prompt");
  plan.prompt = kDefaultQuestion;
  if (request.prompts.empty()) return;
  check_prompts(request.prompts);
  plan.prompt = request.prompts.front();
}

Conditioning conditioning_of(const ForesightPlan& plan, const ForesightShape& model) {
  if (plan.settings.conditioning == PromptSource::adapter) {
    require(model.has_adapter, ErrorCode::unsupported,
            "conditioning: this model has no adapter; its video follows the prompt");
    require(plan.image.has_value(), kBad, "conditioning: an adapter reads a picture, and there is none");
    return Conditioning::hybrid_encoder;
  }
  if (!plan.image) return Conditioning::text_only;
  return model.encodes_images ? Conditioning::ltx_condition : Conditioning::first_frame_insert;
}

void plan_video(ForesightPlan& plan, const Request& request, const ForesightShape& model) {
  plan.height = request.height.value_or(plan.settings.height);
  plan.width = request.width.value_or(plan.settings.width);
  plan.fps = request.fps.value_or(plan.settings.fps);
  check_side("height", plan.height, model);
  check_side("width", plan.width, model);
  if (!plan.settings.has_video()) return;
  plan.video_frames = request.video_frames.value_or(plan.settings.video_frames);
  const ltx::ClipLength length = ltx::clip_length(plan.video_frames, model.temporal_stride);
  plan.latent_frames = length.latent_frames;
  const int64_t per_frame = (plan.height / model.spatial_stride) * (plan.width / model.spatial_stride);
  const int64_t most = model.most_tokens / per_frame;
  require(plan.latent_frames <= most, ErrorCode::too_large,
          "frames: {} of {}x{} are more than this model can make at once; at most {} are possible", plan.video_frames,
          plan.width, plan.height, most > 0 ? ltx::video_frames(most, model.temporal_stride) : 0);
  if (length.surplus > 0)
    plan.ignored.push_back(
        {"frames", fmt::format("the model makes {}, one and a multiple of {}; the last {} are dropped",
                               length.video_frames, model.temporal_stride, length.surplus)});
  if (plan.image) plan.image_use = image_use(*plan.image, plan.height, plan.width, plan.settings.fit);
  plan.warnings = model.trained_for.warnings({plan.height, plan.width}, plan.video_frames);
  plan.conditioning = conditioning_of(plan, model);
}

void note_unused(ForesightPlan& plan, const Request& request, const ForesightShape& model, const Options& options) {
  const auto note = [&](std::initializer_list<const char*> names, const char* reason) {
    for (const char* name : names)
      if (options.has(name)) plan.ignored.push_back({name, reason});
  };
  if (!plan.settings.has_video()) {
    const char* const reason = model.has_video ? "tracks text makes no video; tracks both or video makes one"
                                               : "this model has no video model and makes no video";
    note({"preset", "steps", "guidance_scale", "guidance_rescale", "negative_prompt", "conditioning", "fit",
          "upstream_frame_rate", "previews", "temporal_tiles", "spatial_tiles", "decode_timestep"},
         reason);
    const std::pair<const char*, bool> numbers[] = {{"frames", request.video_frames.has_value()},
                                                    {"width", request.width.has_value()},
                                                    {"height", request.height.has_value()},
                                                    {"fps", request.fps.has_value()}};
    for (const auto& [name, is_given] : numbers)
      if (is_given) plan.ignored.push_back({name, reason});
  } else {
    if (!plan.settings.guided()) {
      note({"negative_prompt", "guidance_rescale"}, "guidance_scale 1 means without guidance");
      if (plan.settings.guidance_scale < 1) note({"guidance_scale"}, "below 1 it is 1: without guidance");
    }
    if (!model.removes_noise) note({"decode_timestep"}, "this model's decoder removes no noise");
    if (!plan.image)
      note({"fit"}, "there is no image to fit");
    else if (!fit_has_effect(*plan.image, plan.height, plan.width))
      note({"fit"}, kNothingToFit);
  }
  if (!plan.settings.has_text()) {
    const char* const reason = model.has_text ? "tracks video writes no text; tracks both or text writes one"
                                              : "this model has no language model and writes no text";
    note({"temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens", "pictures"}, reason);
    if (plan.conditioning != Conditioning::hybrid_encoder) note({"picture_pixels"}, reason);
    if (!request.earlier_images.empty()) plan.ignored.push_back({"earlier_images", reason});
  } else if (plan.settings.temperature == 0) {
    note({"top_p", "top_k"}, "temperature 0 always takes the most probable word");
  }
  if (plan.settings.has_video() && options.has("preset") && request.height && request.width && request.video_frames)
    plan.ignored.push_back({"preset", "width, height and frames are given"});
}

}  // namespace

std::string_view name(Conditioning conditioning) {
  switch (conditioning) {
    case Conditioning::text_only: return "text_only";
    case Conditioning::first_frame_insert: return "first_frame_insert";
    case Conditioning::ltx_condition: return "ltx_condition";
    case Conditioning::hybrid_encoder: return "hybrid_encoder";
  }
  return "?";
}

Capabilities foresight_capabilities(const ForesightShape& model) {
  Modalities yields;
  if (model.has_text) yields = yields | Modality::text;
  if (model.has_video) yields = yields | Modality::video;
  return {.takes = Modality::text | Modality::image,
          .needs = {},
          .feeds = {},
          .yields = yields,
          .pictures = {.max_bytes = 10 << 20}};
}

VideoFormat ForesightPlan::format() const {
  VideoFormat format{.height = height, .width = width, .fps = fps, .video_frames = video_frames, .segments = 1};
  if (video_frames > 0)
    format.blocks_per_segment = settings.temporal_tiles ? std::max<int64_t>(1, latent_frames - 1) : 1;
  format.blocks_per_later_segment = format.blocks_per_segment;
  return format;
}

std::unique_ptr<ForesightPlan> plan_foresight(const Request& request, const ForesightSettings& defaults,
                                              std::span<const OptionField> fields, const ForesightShape& model) {
  const Options options = checked(request.options, fields);
  check_numbers(request);
  require(!request.video, ErrorCode::unsupported, "video: this model does not accept a video");
  require(request.segments.value_or(1) == 1, ErrorCode::unsupported,
          "segments cannot be set: this model makes one clip; say how many frames");
  auto plan = std::make_unique<ForesightPlan>();
  plan->settings = defaults;
  apply(options, plan->settings);
  require(model.has_text || plan->settings.tracks == Tracks::video, ErrorCode::unsupported,
          "tracks: this model has no language model; it makes video only");
  require(model.has_video || plan->settings.tracks == Tracks::text, ErrorCode::unsupported,
          "tracks: this model has no video model; it writes text only");
  plan->seed = request.seed;
  plan_prompt(*plan, request);
  plan_images(*plan, request, model);
  plan_video(*plan, request, model);
  note_unused(*plan, request, model, options);
  return plan;
}

}  // namespace rushes::generation
