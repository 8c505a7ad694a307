#include "rushes/generation/foresight/settings.h"

#include "rushes/base/option_fields.h"
#include "rushes/text/prompt.h"

namespace rushes::generation {
namespace {

using option_fields::also_known_as, option_fields::flag, option_fields::real, option_fields::whole;

template <typename T>
OptionField choice(const char* name, const char* doc, T standard) {
  OptionField field{.name = name, .type = OptionType::choice, .doc = doc};
  for (const auto& [word, value] : words_of(T{})) {
    field.choices.emplace_back(word);
    if (value == standard) field.standard = std::string(word);
  }
  return field;
}

/// Leaves the value where the option is not given.
template <typename T>
void read(const Options& given, const char* name, T& value) {
  if constexpr (std::is_enum_v<T>) {
    if (const auto word = given.get<std::string>(name))
      for (const auto& [each, of] : words_of(T{}))
        if (each == *word) value = of;
  } else {
    value = given.get<T>(name).value_or(value);
  }
}

}  // namespace

std::vector<OptionField> foresight_options(const ForesightSettings& d) {
  OptionField preset{.name = "preset",
                     .type = OptionType::choice,
                     .doc =
                         "size and length of the video: 256 (256x256, 15 frames), 512 (30 frames) or 768 (60 frames); "
                         "width, height and frames go before it"};
  for (const Preset& each : kPresets) preset.choices.emplace_back(each.name);
  return {
      choice("tracks", "what is made: text and video side by side, or one of both", d.tracks),
      std::move(preset),
      also_known_as(whole("steps", "number of denoising steps", d.steps, 2, 200), {"num_steps", "num_inference_steps"}),
      also_known_as(real("guidance_scale", "how strongly the prompt guides the video; 1: without a negative prompt",
                         d.guidance_scale, 0, 100),
                    {"guidance"}),
      real("guidance_rescale", "share of the guided result that is scaled to the contrast of the unguided one",
           d.guidance_rescale, 0, 1),
      {.name = "negative_prompt",
       .type = OptionType::text,
       .doc = "description of what to avoid",
       .standard = d.negative_prompt,
       .most = static_cast<double>(text::kMaxPromptBytes)},
      choice("conditioning",
             "what the video model reads: the prompt, or what an adapter makes of what the model sees in the picture",
             d.conditioning),
      fit_option(d.fit),
      flag("upstream_frame_rate", "tell the model 25 frames a second as the published pipelines do, not those played",
           d.upstream_frame_rate),
      whole("previews", "a provisional look at the video every so many denoising steps; 0: only at its first frame",
            d.previews, 0, 200),
      flag("temporal_tiles",
           "decode the video piece by piece, so that its beginning comes sooner; results differ a "
           "little from those of a whole decode",
           d.temporal_tiles),
      flag("spatial_tiles", "decode large frames in parts, which needs less memory", d.spatial_tiles),
      real("decode_timestep", "noise that is left for decoders that can remove some", d.decode_timestep, 0, 1),
      real("temperature", "how freely words are chosen; 0: always the most probable one", d.temperature, 0, 100),
      real("top_p", "words are chosen of the most probable ones that together have this probability", d.top_p, 0.001,
           1),
      whole("top_k", "words are chosen of so many most probable ones; 0: of all", d.top_k, 0, 1'000'000),
      real("repetition_penalty", "how much less probable words become that were there before", d.repetition_penalty,
           0.01, 100),
      whole("max_new_tokens", "the most tokens that the text may have", d.max_new_tokens, 1, 32'768),
      whole("picture_pixels", "size to which a larger picture is reduced before it is read", d.picture_pixels, 784,
            12'845'056),
      whole("pictures", "how many of a conversation's pictures are read, the newest ones", d.pictures, 1,
            kMostPictures),
  };
}

void apply(const Options& given, ForesightSettings& s) {
  if (const auto wanted = given.get<std::string>("preset"))
    for (const Preset& preset : kPresets)
      if (preset.name == *wanted) {
        s.height = s.width = preset.side;
        s.video_frames = preset.video_frames;
      }
  read(given, "tracks", s.tracks);
  read(given, "steps", s.steps);
  read(given, "guidance_scale", s.guidance_scale);
  read(given, "guidance_rescale", s.guidance_rescale);
  read(given, "negative_prompt", s.negative_prompt);
  read(given, "conditioning", s.conditioning);
  read(given, "fit", s.fit);
  read(given, "upstream_frame_rate", s.upstream_frame_rate);
  read(given, "previews", s.previews);
  read(given, "temporal_tiles", s.temporal_tiles);
  read(given, "spatial_tiles", s.spatial_tiles);
  read(given, "decode_timestep", s.decode_timestep);
  read(given, "temperature", s.temperature);
  read(given, "top_p", s.top_p);
  read(given, "top_k", s.top_k);
  read(given, "repetition_penalty", s.repetition_penalty);
  read(given, "max_new_tokens", s.max_new_tokens);
  read(given, "picture_pixels", s.picture_pixels);
  read(given, "pictures", s.pictures);
}

}  // namespace rushes::generation
