// Stages that make the shipped talking head. Each continues from its saved state in the run's directory and writes its
// curve (STAGE.csv), a contact sheet where there is something to see, and the moving average of its weights.
#pragma once
#include <filesystem>

#include "rushes/training/run.h"

namespace rushes::training {

struct RendererOptions {
  RunOptions run;       // batch counts source pictures
  int64_t drivers = 3;  // frames made of each source picture
  int64_t people = 0;   // that are drawn; 0: without end. A few: does the model learn them by heart?
};

/// Where the motion transfer looks, from the motions of source and frame alone: no picture is needed for that, the
/// drawing knows where everything comes from. face-places.safetensors.
void train_positions(const RunOptions& options);

/// The motion encoder learns to read the controls off a picture, so that a motion carries nothing of a person.
/// face-motion-encoder.safetensors.
void train_motion_encoder(const RunOptions& options);

/// Source picture and motion of the same person to the moved picture, with the places of face-places as they are.
/// face-renderer.safetensors, with the weights of all three stages, and face-renderer.png.
void train_renderer(const RendererOptions& options);

/// Over held-out people: mean peak signal-to-noise ratio in dB of frames moved by the drawing's own motion; the same
/// where the source picture is shown unmoved; correlation between the mouth's opening in frames and drawings.
struct RendererQuality {
  double psnr, unmoved_psnr, mouth;
};
RendererQuality renderer_quality(const std::filesystem::path& weights, int64_t people);

/// The speech encoder learns to name visemes and the mouth's opening, width and rounding for each video frame.
/// face-audio.safetensors: the encoder without the head that did the naming.
void train_audio_encoder(const RunOptions& options);

/// The motion generator learns to speak: flow matching on the motion of drawn speakers, with the encoder of
/// face-audio.safetensors as it is. face-motion.safetensors.
void train_motion_generator(const RunOptions& options);

}  // namespace rushes::training
