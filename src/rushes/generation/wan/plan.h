// A video request worked out for one model: every value present, checked, in the units of the pipeline.
// Plain numbers, no libtorch.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/generation/fit.h"
#include "rushes/generation/model.h"
#include "rushes/generation/wan/block_layout.h"
#include "rushes/models/wan/model_directory.h"

namespace rushes::generation {

/// What a model allows.
struct WanLimits {
  int64_t pixel_multiple = 16;  // height and width: stride of the autoencoder times the transformer's patch
  int64_t temporal_stride = 4;
  int64_t max_side = 2048;  // pixels
  int64_t max_segment_latent_frames = 252;
  int64_t max_steps = 200;
  bool encodes_images = true;
  TrainedFor trained_for = {};
};

struct WanPlan {
  std::vector<std::string> prompts;
  std::string negative_prompt;
  uint64_t seed = 0;
  int64_t segments = 1;  // 0: endless
  int64_t segment_latent_frames = 21, overlap_latent_frames = 3;
  std::optional<int64_t> video_frames;  // of the whole video; nothing: endless
  int64_t height = 480, width = 832;
  double fps = 16;
  BlockLayout layout;
  int64_t temporal_stride = 4;
  bool image = false;                   // begins with a given image: latent frame 0
  Fit fit = Fit::crop;                  // how it becomes a frame
  std::vector<double> denoising_steps;  // few-step timesteps, warped; empty: many steps
  double timestep_shift = 5.0;
  int64_t train_timesteps = 1000;
  double context_noise = 0;
  std::string solver = "unipc";
  int64_t solver_steps = 50;
  double guidance_scale = 3.0;
  std::vector<Ignored> ignored;       // as Plan::ignored
  std::vector<std::string> warnings;  // as Plan::warnings

  int64_t steps_per_block() const {
    return denoising_steps.empty() ? solver_steps : static_cast<int64_t>(denoising_steps.size());
  }
  /// Latent frames that a segment begins with: the image, or the end of the segment before.
  int64_t given_latent_frames(int64_t segment) const { return segment == 0 ? (image ? 1 : 0) : overlap_latent_frames; }
  VideoFormat format() const;
};

/// What its models take and yield.
Capabilities wan_capabilities(bool encodes_images);

/// The options of a model with these defaults.
std::vector<OptionField> wan_options(const wan::Defaults& defaults, const WanLimits& limits);

/// `options` are wan_options() of the same model. Throws Error(invalid_argument), which names the field, the value,
/// what is allowed and, where there is one, the nearest value that would do.
WanPlan plan_video(const Request& request, const wan::Defaults& defaults, const WanLimits& limits,
                   std::span<const OptionField> options);

}  // namespace rushes::generation
