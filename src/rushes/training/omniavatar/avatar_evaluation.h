// What the avatar does, measured on held-out people, voices and combinations of words by plain rules, through the code
// that serves it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "rushes/training/omniavatar/avatar_world.h"
#include "rushes/training/wan/evaluation.h"

namespace rushes::training {

/// The frames [T, 3, H, W] in [0, 1] that a model makes of a caption, of speech [S] and, if defined, of a portrait
/// [3, H, W]. The speech is there at once.
at::Tensor avatar_film(const generation::Model& model, const std::string& caption, const at::Tensor& portrait,
                       const at::Tensor& wave, uint64_t seed);

/// How far the mouth is open in each of frames [T, 3, H, W], whose faces lie as `controls` say: [T].
at::Tensor seen_opening(const Speaker& speaker, const std::vector<FaceControls>& controls, const at::Tensor& frames);

/// Which of `candidates`, drawn moving as they would, frames [T, 3, H, W] of `times` (numbers of video frames) look
/// most like: the least squared difference.
int64_t nearest_drawing(const at::Tensor& frames, const std::vector<Speaker>& candidates,
                        const std::vector<std::vector<FaceControls>>& controls, const std::vector<int64_t>& times);

struct AvatarQuality {
  // With a portrait.
  double mouth = 0;         // opening seen in the frames against the jaw that made the sound, correlation
  double drawn_mouth = 0;   // the same of drawings: what the rule can reach
  double psnr = 0;          // against drawings, in dB
  Score person;             // the right one of eight faces in the same clothes, in the last frames
  Score mood, gesture;      // the caption's, of all there are
  double colour_drift = 0;  // of the mean colour of ground, clothes and hair from the first to the last block, levels
  // Of captions alone.
  Score wall, cloth, hair, cut, framing, glasses;
  double free_mouth = 0;         // as `mouth`
  double free_colour_drift = 0;  // as `colour_drift`
};

/// Over `people` held-out speakers, each once with and once without a portrait, for `blocks` blocks. Writes `sheet`
/// (rows: drawings above what was made; with a portrait, then without) if not empty.
AvatarQuality measure_avatar(const generation::Model& model, int64_t people, int64_t blocks,
                             const std::filesystem::path& sheet);
std::string describe(const AvatarQuality& quality);

}  // namespace rushes::training
