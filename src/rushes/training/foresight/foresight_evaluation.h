// What the shipped Foresight model says and shows of held-out pictures, by plain rules, through the code that serves
// it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "rushes/base/options.h"
#include "rushes/training/foresight/foresight_world.h"
#include "rushes/training/wan/evaluation.h"

namespace rushes::training {

/// An answer in words and frames, and when its parts were there.
struct Foreseen {
  std::string text;
  at::Tensor film;         // [T, 3, H, W] in [0, 1]; undefined without a video half
  at::Tensor first_frame;  // [3, H, W], the provisional one; undefined if none was shown
  double first_word_ms = 0, first_frame_ms = 0, all_ms = 0;
};
/// `seed`: of the video. `options` over the model's own.
Foreseen foresee(const generation::Model& model, const ForesightScene& scene, uint64_t seed,
                 const Options& options = {});

struct ForesightQuality {
  Score things;                                              // all shapes and colours named right, none beside them
  Score outcome;                                             // what happens named right
  Score film;                                                // shown right
  Score agreement;                                           // shown as it was said
  Score rule;                                                // of drawn films: what the rule can reach
  double first_frame_psnr = 0, film_psnr = 0;                // against the picture, against the drawn film; dB
  double first_word_ms = 0, first_frame_ms = 0, all_ms = 0;  // medians
  std::vector<std::string> said;                             // of the sheet's pictures: question and answer
  std::vector<std::string> mistakes;
};

/// Over `pictures` held-out pictures. Writes `sheet` if not empty: for the first of them the picture and eight frames
/// of the film above the drawn ones; what was said is among `mistakes` where it is wrong.
ForesightQuality measure_foresight(const generation::Model& model, int64_t pictures, const std::filesystem::path& sheet,
                                   const Options& options = {});
std::string describe(const ForesightQuality& quality);

}  // namespace rushes::training
