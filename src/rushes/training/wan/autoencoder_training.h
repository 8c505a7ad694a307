// Trains the tiny autoencoder on crops of drawn clips. Its latents come out with mean 0 and variance 1 per channel, as
// the transformer wants them, because the loss asks for it: the decoder clamps at +-3, so nothing can be rescaled
// later.
#pragma once
#include "rushes/training/psnr.h"
#include "rushes/training/run.h"

namespace rushes::training {

struct AutoencoderOptions {
  RunOptions run;
  int64_t crop = 32;         // pixels; small ones first: many colours per update
  int64_t video_frames = 5;  // 1 + 4k
};

/// Continues from DIRECTORY/autoencoder.state.safetensors if it is there; ends at the time limit. Writes the state,
/// autoencoder.csv, autoencoder.png (drawn above decoded) and the moving average as autoencoder.safetensors.
void train_autoencoder(const AutoencoderOptions& options);

/// Goes on with the decoder alone, the encoder (and so the latents that a transformer has learnt) left as it is.
/// State: DIRECTORY/decoder.state.safetensors; curve: decoder.csv.
void train_decoder(const AutoencoderOptions& options);

/// Mean peak signal-to-noise ratio in dB over `clips` held-out clips of 17 video frames at `side`.
double autoencoder_psnr(const std::filesystem::path& weights, int64_t clips, int64_t side);

}  // namespace rushes::training
