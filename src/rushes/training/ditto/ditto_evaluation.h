// What the shipped portrait model of the Ditto layout does, seen from outside: frames that the product makes of
// held-out people and voices, measured by plain rules.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "rushes/base/options.h"
#include "rushes/generation/model.h"
#include "rushes/training/face_world/face_world.h"

namespace rushes::training {

/// Frames [T, 3, H, W] float32 in [0, 1] that a session makes of a picture [3, H, W] and speech [S], as they come when
/// all of the speech is there.
at::Tensor talk(const generation::Model& model, const at::Tensor& picture, const at::Tensor& wave,
                const Options& options = {}, uint64_t seed = 0);

/// Share of the eyes' boxes that is as light as an open eye's white, for each of frames [T, 3, S, S].
at::Tensor eye_whites(const at::Tensor& frames, const Identity& identity, const FaceControls& controls);

struct DittoQuality {
  double mouth_truth;     // opening seen in the frames against the jaw that made the sound, correlation over frames
  double mouth_classes;   // the same over classes of phonemes: mean opening against mean jaw of each class
  double truth_opening;   // of drawings of the same jaws against the jaws: what can be reached
  double silent_opening;  // largest opening seen in silence, in openings of a drawing with an open mouth
  double silent_motion;   // mean change of pixels at the mouth from frame to frame in silence, in that of speech
  double blinks;          // in ten seconds of silence with a blink every two seconds
  double emotions_named, emotion_change;        // EmotionsSeen of frames in silence, the head at rest
  double emotions_rendered;                     // the share named when the renderer is told what the drawing knows
  double emotions_moved, emotions_moved_alike;  // of the motion model alone: slope and correlation of emotions_moved()
  double seam;  // of a portrait in a larger picture: the largest step that a border leaves, in levels of 255
  double psnr;  // of first frames in silence against the picture
};

/// Over `people` held-out people, each with a sentence of a held-out voice. Opens the model directory as the product
/// does. Writes sheets into `sheets`: ditto-talk.png (rows: people; the portrait, then moments of speech),
/// ditto-emotions.png (rows: people; emotions 0 to 7), ditto-larger.png. The emotions take a third of the time; without
/// them their figures are 0.
DittoQuality measure_ditto(const std::filesystem::path& model, int64_t people, const std::filesystem::path& sheets,
                           bool with_emotions = true);

/// The same people and sentences through both portrait models, one below the other: [3, H, W].
at::Tensor beside(const generation::Model& ditto, const generation::Model& imtalker, int64_t people);

/// Writes the model directory from the weights in a run's directory.
void export_ditto(const std::filesystem::path& directory, const std::filesystem::path& output);
/// Writes the weights of a model directory as the stages leave them, for training that goes on.
void import_ditto(const std::filesystem::path& model, const std::filesystem::path& directory);

}  // namespace rushes::training
