// A request for an avatar, worked out for one model: every value present and checked. No libtorch here.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rushes/generation/model.h"
#include "rushes/generation/omniavatar/settings.h"

namespace rushes::generation {

inline constexpr int64_t kAvatarSpeechHz = 16'000;
/// A video without speech and of no wanted length: as long as a segment of Wan's.
inline constexpr int64_t kSilentVideoFrames = 81;
/// Of speech that is heard as one clip: its features are kept, and the encoder's attention sees all of it at once.
inline constexpr int64_t kMostClipSeconds = 600;

/// What a plan depends on of a model.
struct OmniAvatarShape {
  int64_t pixel_multiple = 16;  // of height and width: stride of the autoencoder times the transformer's patch
  int64_t temporal_stride = 4;
  int64_t max_side = 2048;
  bool encodes_images = true;
  TrainedFor trained_for = {};
};

struct OmniAvatarPlan final : Plan {
  OmniAvatarSettings settings;
  std::vector<std::string> prompts;  // one a segment, cycled; the causal sampler has one
  uint64_t seed = 0;
  std::optional<Image> image;  // until start()
  int64_t height = 0, width = 0;
  /// Wanted length: longer speech is cut, shorter speech is followed by silence. Nothing: that of the speech.
  std::optional<int64_t> video_frames;
  bool endless = false;  // without speech it goes on until it is stopped

  VideoFormat format() const override;
};

/// A model takes a prompt, a portrait and speech, and can do without each: without a prompt it is told nothing, without
/// a portrait it begins with a face of its own, without speech that face is silent.
Capabilities omniavatar_capabilities();

/// Of a model that does not say it: all sizes of the published lists where it chooses from them, else its own alone.
TrainedFor published_training(const OmniAvatarSettings& own);

/// `fields` are omniavatar_options(defaults). Throws Error(invalid_argument, unsupported, too_large) naming the field.
std::unique_ptr<OmniAvatarPlan> plan_omniavatar(const Request& request, const OmniAvatarSettings& defaults,
                                                std::span<const OptionField> fields, const OmniAvatarShape& model);

}  // namespace rushes::generation
