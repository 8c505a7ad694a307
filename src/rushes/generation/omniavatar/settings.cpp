#include "rushes/generation/omniavatar/settings.h"

#include "rushes/base/error.h"
#include "rushes/base/option_fields.h"
#include "rushes/text/prompt.h"

namespace rushes::generation {
namespace {

constexpr ErrorCode kBad = ErrorCode::invalid_argument;

constexpr const char* kOnlyBidirectional[] = {"guidance_scale", "audio_scale", "negative_prompt", "overlap_frame",
                                              "max_tokens",     "teacache",    "tiled_vae"};
constexpr const char* kOnlyCausal[] = {"online_mode", "window", "sink", "own_reference"};

using option_fields::also_known_as, option_fields::flag, option_fields::real, option_fields::whole;

}  // namespace

OmniAvatarSettings settings_of(const omniavatar::Defaults& d) {
  OmniAvatarSettings settings;
  settings.sampler = d.sampler;
  settings.steps = d.steps;
  settings.timestep_shift = d.timestep_shift;
  settings.fps = d.fps;
  settings.height = d.height;
  settings.width = d.width;
  settings.max_hw = d.max_hw;
  settings.guidance_scale = d.guidance_scale;
  if (d.audio_scale != 0) settings.audio_scale = d.audio_scale;
  settings.negative_prompt = d.negative_prompt;
  settings.overlap_video_frames = d.overlap_frame;
  settings.max_tokens = d.max_tokens;
  if (d.window > 0) settings.window = d.window;
  settings.cache_tokens = d.cache_tokens;
  settings.sink = d.sink;
  settings.own_reference = d.own_reference;
  return settings;
}

std::vector<OptionField> omniavatar_options(const OmniAvatarSettings& d) {
  return {
      also_known_as(whole("steps", "number of denoising steps", d.steps, 1, 200), {"num_steps"}),
      also_known_as(real("guidance_scale", "how strongly the prompt guides the video; only for the many-step solvers",
                         d.guidance_scale, 0, 100),
                    {"guidance"}),
      real("audio_scale", "how strongly the speech guides the video; by default as strongly as the prompt",
           d.audio_scale ? OptionValue(*d.audio_scale) : OptionValue(), 0, 100),
      {.name = "negative_prompt",
       .type = OptionType::text,
       .doc = "description of what to avoid; only for the many-step solvers",
       .standard = d.negative_prompt,
       .most = static_cast<double>(text::kMaxPromptBytes)},
      also_known_as(real("timestep_shift", "shift of the noise schedule", d.timestep_shift, 0.01, 100),
                    {"shift", "flow_shift"}),
      fit_option(d.fit),
      whole(
          "max_hw",
          "longer side of the sizes that an image's proportions choose from where no size is asked for: 720, 1280, or "
          "0 for the model's own size",
          d.max_hw, 0, 1280),
      also_known_as(whole("overlap_frame",
                          "video frames that a segment has in common with the one before: 1, 5, 9, 13, ...; only where "
                          "a model makes segments",
                          d.overlap_video_frames, 1, 401),
                    {"overlap"}),
      whole("max_tokens", "length of a segment, in tokens of the transformer; only where a model makes segments",
            d.max_tokens, 1, 10'000'000),
      also_known_as(real("teacache",
                         "threshold below which a denoising step repeats the change of the one before instead of "
                         "computing its own; 0: never; only where a model makes segments",
                         d.teacache, 0, 10),
                    {"tea_cache_l1_thresh"}),
      flag("tiled_vae", "encode and decode pictures in tiles, as the reference does; only where a model makes segments",
           d.tiled_vae),
      flag("online_mode", "frames follow while speech arrives; otherwise they come when it has ended", d.online_mode),
      whole("window", "latent frames that a model looks back on that makes video block by block; by default its own",
            d.window ? OptionValue(*d.window) : OptionValue(), 3, 1024),
      whole("sink", "first latent frames that it never forgets", d.sink, 0, 1000),
      flag("own_reference",
           "without an image the blocks after the first see the first frame of the video as if it were one; for models "
           "that were trained so",
           d.own_reference),
      flag("silent", "no speech will come: the face is silent from the start", d.silent),
      flag("reference_lengths", "as many frames as the published servers make, not those that the speech lasts",
           d.reference_lengths),
  };
}

void apply(const Options& given, OmniAvatarSettings& settings) {
  const auto integer = [&](const char* name, int64_t& value) { value = given.get<int64_t>(name).value_or(value); };
  const auto number = [&](const char* name, double& value) { value = given.get<double>(name).value_or(value); };
  const auto boolean = [&](const char* name, bool& value) { value = given.get<bool>(name).value_or(value); };
  integer("steps", settings.steps);
  number("guidance_scale", settings.guidance_scale);
  if (const auto scale = given.get<double>("audio_scale")) settings.audio_scale = *scale;
  settings.negative_prompt = given.get<std::string>("negative_prompt").value_or(settings.negative_prompt);
  number("timestep_shift", settings.timestep_shift);
  if (const auto fit = given.get<std::string>("fit")) settings.fit = fit_named(*fit);
  integer("max_hw", settings.max_hw);
  require(settings.max_hw == 0 || settings.max_hw == 720 || settings.max_hw == 1280, kBad,
          "max_hw must be 720, 1280 or 0 (got {})", settings.max_hw);
  integer("overlap_frame", settings.overlap_video_frames);
  require(settings.overlap_video_frames % 4 == 1, kBad, "overlap_frame must be 1 plus a multiple of 4 (got {})",
          settings.overlap_video_frames);
  integer("max_tokens", settings.max_tokens);
  number("teacache", settings.teacache);
  boolean("tiled_vae", settings.tiled_vae);
  boolean("online_mode", settings.online_mode);
  if (const auto window = given.get<int64_t>("window")) settings.window = *window;
  integer("sink", settings.sink);
  boolean("own_reference", settings.own_reference);
  boolean("silent", settings.silent);
  boolean("reference_lengths", settings.reference_lengths);
}

std::vector<std::string> ignored_options(const Options& given, omniavatar::Sampler sampler) {
  std::vector<std::string> ignored;
  const auto note = [&](const char* name) {
    if (given.has(name)) ignored.emplace_back(name);
  };
  if (sampler == omniavatar::Sampler::causal)
    for (const char* name : kOnlyBidirectional) note(name);
  else
    for (const char* name : kOnlyCausal) note(name);
  return ignored;
}

}  // namespace rushes::generation
