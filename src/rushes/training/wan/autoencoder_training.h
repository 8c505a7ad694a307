// Trains a tiny autoencoder on crops of drawn clips. Its latents come out with mean 0 and variance 1 per channel, as
// the transformer wants them, because the loss asks for it: the decoder clamps at +-3, so nothing can be rescaled
// later.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>

#include "rushes/models/wan/config.h"
#include "rushes/training/psnr.h"
#include "rushes/training/run.h"

namespace rushes::training {

struct AutoencoderOptions {
  RunOptions run;
  int64_t crop = 32;         // pixels; small ones first: many colours per update
  int64_t video_frames = 5;  // 1 + 4k
};

/// What an autoencoder learns to code. Both functions are called by any thread.
struct PictureWorld {
  wan::TinyAutoencoderConfig config;
  std::function<at::Tensor(uint64_t index)> crop;      // [T, 3, H, W] in [0, 1], T = 1 + 4k, for training
  std::function<at::Tensor(uint64_t index)> held_out;  // [T, 3, H, W]: whole pictures to measure by
};
/// That of the text-to-video model.
PictureWorld moving_shapes(const AutoencoderOptions& options);

/// Continues from DIRECTORY/autoencoder.state.safetensors if it is there, else begins with the weights in `earlier` if
/// that is not empty; ends at the time limit. Writes the state, autoencoder.csv, autoencoder.png (drawn above decoded)
/// and the moving average as autoencoder.safetensors.
void train_autoencoder(const RunOptions& options, const PictureWorld& world, const std::filesystem::path& earlier = {});

/// Goes on with the decoder alone, the encoder (and so the latents that a transformer has learnt) left as it is.
/// State: DIRECTORY/decoder.state.safetensors; curve: decoder.csv.
void train_decoder(const RunOptions& options, const PictureWorld& world);

/// Mean peak signal-to-noise ratio in dB over `clips` held-out clips.
double autoencoder_psnr(const std::filesystem::path& weights, const PictureWorld& world, int64_t clips);

}  // namespace rushes::training
