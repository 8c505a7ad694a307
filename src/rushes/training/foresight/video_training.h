// The stages that train the video half: autoencoder, then text encoder and transformer, then the adapter. All continue
// from their state in the run's directory and end at the time limit or at a signal, their state saved.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>

#include "rushes/training/run.h"

namespace rushes::training {

struct ForesightCrops {
  int64_t side = 64;         // pixels, a multiple of 32
  int64_t video_frames = 9;  // 1 + 8k
  int64_t films = 12;        // whole ones that statistics and pictures are made of whenever the state is saved
};

/// The autoencoder on crops of the world's films, most of them around a shape. Writes autoencoder.state.safetensors,
/// autoencoder.csv, autoencoder.png (drawn above decoded) and the moving average with the statistics of its latents as
/// autoencoder.safetensors.
void train_foresight_autoencoder(const RunOptions& options, const ForesightCrops& crops);

/// Mean peak signal-to-noise ratio in dB over `films` held-out films of what DIRECTORY/autoencoder.safetensors makes of
/// them.
double foresight_autoencoder_psnr(const std::filesystem::path& directory, int64_t films);

struct ForesightVideoOptions {
  RunOptions run;
  int64_t fresh_per_step = 2;  // films encoded per update; the rest of a batch was seen before
  int64_t capacity = 2048;     // films kept
  int64_t sheet_rows = 7;      // pictures of the contact sheet that is drawn whenever the state is saved
  int64_t text_seconds = 20;   // at the very start: the text encoder alone learns to name what questions say
};

/// Text encoder and transformer by rectified flow, as the product samples: the first latent frame is the picture's and
/// is told time 0, the others are at one time of the schedule. Needs autoencoder.safetensors; writes
/// video.state.safetensors, video.safetensors (moving average), video.csv and video.png (films of held-out pictures
/// under their drawings).
void train_foresight_video(const ForesightVideoOptions& options);

struct ForesightAdapterOptions {
  RunOptions run;
  int64_t capacity = 1024;  // pictures kept; each update prepares one more
};

/// The adapter and its vision transformer, everything else left as it is: films of pictures with a cue follow its
/// tokens instead of a question's. Needs language.safetensors, autoencoder.safetensors and video.safetensors; writes
/// adapter.state.safetensors, adapter.safetensors (moving average) and adapter.csv.
void train_foresight_adapter(const ForesightAdapterOptions& options);

}  // namespace rushes::training
