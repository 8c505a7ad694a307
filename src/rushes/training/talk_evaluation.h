// What the talking head does, measured on held-out voices and people by plain rules.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "rushes/training/face_world.h"

namespace rushes::training {

/// Share of the mouth's box that looks like the inside of a mouth, for each of frames [T, 3, S, S]; `boxes` as many.
at::Tensor mouth_opening(const at::Tensor& frames, const std::vector<MouthBox>& boxes);

/// Pearson's correlation of two series [T].
double correlation(const at::Tensor& a, const at::Tensor& b);

/// Root mean square of a wave [S] in each video frame, smoothed over three: [T].
at::Tensor loudness(const at::Tensor& wave);

struct TalkQuality {
  double jaw_loudness, jaw_truth;  // generated jaw against the sound's loudness; against the jaw that made the sound
  double mouth_loudness, mouth_truth;  // the same of the opening seen in the frames
  double silent_jaw;                   // largest jaw opening in silence, 0 .. 1
  double psnr;                         // of frames against drawings of the same person with the same controls, in dB
  double colour_distance;              // between the colour histograms of source and frames, 0 .. 1
  double yaw_response,
      gaze_response;  // yaw and gaze of the frames' motion for a style of +0.7, minus that for -0.7, over 1.4
};

/// Over `people` held-out people, each with a sentence of a held-out voice. Opens the model directory as the product
/// does, samples with its defaults. Writes `sheet` (rows: sources, frames, drawings of the same) if not empty.
TalkQuality measure_talk(const std::filesystem::path& model, int64_t people, const std::filesystem::path& sheet);

/// Writes the model directory from the weights in a run's directory.
void export_talk(const std::filesystem::path& directory, const std::filesystem::path& output);

}  // namespace rushes::training
