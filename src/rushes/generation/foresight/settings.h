// What a session of Foresight can be told: its options, with the model's own values under them. No libtorch here.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/base/options.h"
#include "rushes/generation/fit.h"

namespace rushes::generation {

/// Which of both halves of a request are wanted.
enum class Tracks { both, text, video };
constexpr std::array<std::pair<std::string_view, Tracks>, 3> words_of(Tracks) {
  return {{{"both", Tracks::both}, {"text", Tracks::text}, {"video", Tracks::video}}};
}

/// What the video model reads beside the picture.
enum class PromptSource {
  prompt,   // the user's words, by the text encoder: the published way
  adapter,  // what both vision models see in the picture, by the adapter
};
constexpr std::array<std::pair<std::string_view, PromptSource>, 2> words_of(PromptSource) {
  return {{{"prompt", PromptSource::prompt}, {"adapter", PromptSource::adapter}}};
}

/// Of a conversation, the newest one included.
inline constexpr int64_t kMostPictures = 32;

struct ForesightSettings {
  Tracks tracks = Tracks::both;

  // Video.
  int64_t height = 512, width = 512, video_frames = 30;
  double fps = 15;
  int64_t steps = 30;
  double guidance_scale = 7.5, guidance_rescale = 0;
  std::string negative_prompt = "worst quality, blurry, jittery, distorted";
  PromptSource conditioning = PromptSource::prompt;
  Fit fit = Fit::crop;               // how the picture becomes the first frame
  bool upstream_frame_rate = false;  // the model is told 25 frames a second, whatever the playback
  int64_t previews = 0;              // a look at the clean sample every so many denoising steps; 0: none
  bool temporal_tiles = false, spatial_tiles = false;
  double decode_timestep = 0;  // noise that decoders of 0.9.1 and later are told of

  // Text.
  double temperature = 0.7, top_p = 0.9, repetition_penalty = 1;
  int64_t top_k = 50;
  int64_t max_new_tokens = 512;
  int64_t picture_pixels = 401'408;  // of a picture that is read: 512 tokens
  int64_t pictures = kMostPictures;  // of a conversation, the newest ones, that are read

  bool has_text() const { return tracks != Tracks::video; }
  bool has_video() const { return tracks != Tracks::text; }
  bool guided() const { return guidance_scale > 1; }
  bool operator==(const ForesightSettings&) const = default;
};

/// The published sizes and lengths.
struct Preset {
  std::string_view name;
  int64_t side, video_frames;
};
inline constexpr Preset kPresets[] = {{"256", 256, 15}, {"512", 512, 30}, {"768", 768, 60}};
/// The rate that the published pipelines tell the model.
inline constexpr double kUpstreamFrameRate = 25;

/// The options of a model, whose settings are the defaults.
std::vector<OptionField> foresight_options(const ForesightSettings& defaults);

/// `given` over `settings`. They are checked as to names, types and ranges.
void apply(const Options& given, ForesightSettings& settings);

}  // namespace rushes::generation
