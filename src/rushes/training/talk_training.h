// Stages that make the shipped talking head. Each continues from its saved state in the run's directory and writes its
// curve (STAGE.csv), a contact sheet where there is something to see, and the moving average of its weights.
#pragma once
#include <filesystem>

#include "rushes/training/run.h"

namespace rushes::training {

struct RendererOptions {
  RunOptions run;                 // batch counts source pictures
  int64_t drivers = 3;            // frames made of each source picture
  int64_t people = 0;             // that are drawn; 0: without end. A few: does the model learn them by heart?
  std::filesystem::path start{};  // a state whose motion parts a new run begins with; the picture's parts begin afresh
};

/// Source picture and motion of the same person to the moved picture; at the same time the motion encoder learns to
/// read the controls off a picture, so that a motion carries nothing of a person. face-renderer.safetensors, .png.
void train_renderer(const RendererOptions& options);

/// Mean peak signal-to-noise ratio in dB over frames of held-out people, moved by the motion that the encoder read off
/// the driving frame; and the same where the source picture is shown unmoved.
struct RendererQuality {
  double psnr, unmoved_psnr;
};
RendererQuality renderer_quality(const std::filesystem::path& weights, int64_t people);

/// The speech encoder learns to name visemes and the mouth's opening, width and rounding for each video frame.
/// face-audio.safetensors: the encoder without the head that did the naming.
void train_audio_encoder(const RunOptions& options);

/// The motion generator learns to speak: flow matching on the motion of drawn speakers, with the encoder of
/// face-audio.safetensors as it is. face-motion.safetensors.
void train_motion_generator(const RunOptions& options);

}  // namespace rushes::training
