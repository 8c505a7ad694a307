// What the talking head does, measured on held-out voices and people by plain rules.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "rushes/training/face_world/face_world.h"

namespace rushes::training {

/// Share of the mouth's box that looks like the inside of a mouth, for each of frames [T, 3, S, S]; `boxes` as many.
at::Tensor mouth_opening(const at::Tensor& frames, const std::vector<MouthBox>& boxes);

/// Pearson's correlation of two series [T].
double correlation(const at::Tensor& a, const at::Tensor& b);

/// Root mean square of a wave [S] in each video frame, smoothed over three: [T].
at::Tensor loudness(const at::Tensor& wave);

struct TalkQuality {
  double jaw_loudness, jaw_truth;  // generated jaw against the sound's loudness; against the jaw that made the sound
  double truth_loudness;           // of the jaw that made the sound against its loudness
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

/// What a portrait does when the face of a driving video, of somebody else, moves it.
struct DrivingQuality {
  std::array<double, kControls> read;  // correlation of each control read off the driving frames with the true one
  double psnr, unmoved_psnr;  // of frames, of the unmoved portrait, against the portrait's person drawn with the
                              // driving face's controls, in dB
};

/// Over `people` held-out people, each moved by 12 pictures of another one. Opens the model directory as the product
/// does. Writes `sheet` (rows: portrait, then pairs of driving frame and frame) if not empty.
DrivingQuality measure_driving(const std::filesystem::path& model, int64_t people, const std::filesystem::path& sheet);

/// Writes the weights of a model directory as the stages leave them, for training that goes on.
void import_talk(const std::filesystem::path& model, const std::filesystem::path& directory);

/// Writes the model directory from the weights in a run's directory.
void export_talk(const std::filesystem::path& directory, const std::filesystem::path& output);

}  // namespace rushes::training
