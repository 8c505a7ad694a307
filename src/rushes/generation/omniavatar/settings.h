// What a session of OmniAvatar can be told: its options, with the model's own values under them. No libtorch here.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rushes/base/options.h"
#include "rushes/generation/fit.h"
#include "rushes/models/omniavatar/model_directory.h"

namespace rushes::generation {

struct OmniAvatarSettings {
  omniavatar::Sampler sampler = omniavatar::Sampler::causal;
  int64_t steps = 4;  // of a block or of a segment
  double timestep_shift = 5;
  double fps = 16;
  // Without a picture, or where the picture's proportions choose no other size.
  int64_t height = 400, width = 720;
  int64_t max_hw = 720;  // the published list of sizes that a picture's proportions choose from; 0: none, one size
  Fit fit = Fit::crop;   // how the picture becomes a frame
  bool silent = false;   // no speech will come
  bool reference_lengths = false;  // as many frames as the published servers make, not those of the speech

  // Bidirectional.
  double guidance_scale = 4.5;        // 1: without
  std::optional<double> audio_scale;  // nothing: guidance_scale
  std::string negative_prompt;
  int64_t overlap_video_frames = 13;  // that a segment has in common with the one before: 1 + 4k
  int64_t max_tokens = 30'000;        // of a segment: how long it is
  double teacache = 0;                // threshold; 0: every step is computed
  bool tiled_vae = true;

  // Causal.
  bool online_mode = true;        // frames follow while speech arrives; else the speech is encoded as one clip
  std::optional<int64_t> window;  // latent frames that a block looks back on, itself included; nothing: cache_tokens
  int64_t cache_tokens = 32'760;  // the same in tokens, as published, no whole number of latent frames
  int64_t sink = 0;               // first latent frames that are never forgotten
  bool own_reference = false;     // without a picture later blocks see the first latent frame as if it were one

  bool causal() const { return sampler == omniavatar::Sampler::causal; }
  bool guided() const { return !causal() && guidance_scale != 1; }
};

/// What a model's files say.
OmniAvatarSettings settings_of(const omniavatar::Defaults& defaults);

/// The options of a model, whose settings are the defaults. Both samplers have all of them, so that a client need not
/// know which one a model has; see ignored_options().
std::vector<OptionField> omniavatar_options(const OmniAvatarSettings& defaults);

/// `given` over `settings`. They are checked as to names, types and ranges; throws Error(invalid_argument) naming the
/// option where its range has holes.
void apply(const Options& given, OmniAvatarSettings& settings);

/// Of the options that only the other sampler reads: the name of each that was given.
std::vector<std::string> ignored_options(const Options& given, omniavatar::Sampler sampler);

}  // namespace rushes::generation
