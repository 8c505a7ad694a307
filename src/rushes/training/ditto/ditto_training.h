// Stages that make the shipped portrait model of the Ditto layout. Each continues from its saved state in the run's
// directory and writes its curve (STAGE.csv), a contact sheet where there is something to see, and the moving average
// of its weights (STAGE.safetensors).
#pragma once
#include "rushes/training/run.h"

namespace rushes::training {

struct HeadRendererOptions {
  RunOptions run;       // batch counts source pictures
  int64_t drivers = 4;  // frames made of each source picture
};

/// Appearance, warp and decoder: source picture and keypoints to the moved picture. ditto-renderer.*.
void train_head_renderer(const HeadRendererOptions& options);

/// Pose, expression and resting keypoints are read off a picture. ditto-reader.*.
void train_motion_reader(const RunOptions& options);

/// Body and ground stay where they are while the head turns. ditto-stitch.*.
void train_stitching(const RunOptions& options);

/// The speech encoder names visemes and the mouth's shape for each frame, on windows of the length that live use has.
/// ditto-speech.*: the encoder without the head that did the naming.
void train_speech_encoder(const RunOptions& options);

/// The motion model speaks and shows emotions, with the encoder of ditto-speech.safetensors as it is. ditto-motion.*.
void train_motion_model(const RunOptions& options);

}  // namespace rushes::training
