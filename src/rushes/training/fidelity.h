// What a clip of the procedural world shows, read off its pixels by plain rules: no learned judge. The same rules
// measure the shipped model's prompt fidelity.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

#include "rushes/training/world.h"

namespace rushes::training {

struct Reading {
  Ground ground;                    // of most pixels
  std::optional<Colour> colour;     // of most pixels that are no ground; none if there are hardly any
  std::optional<Motion> motion;     // by the area and the centre (on the torus) of that colour's pixels over time
  double drift_x = 0, drift_y = 0;  // fractions of the picture per second
  double area_ratio = 1;            // last quarter to first quarter
};

/// Reads a clip [T, 3, H, W] float in [0, 1], T >= 5, at 16 frames per second. Any thread.
Reading read_clip(const at::Tensor& frames);

/// Mean gradient magnitude over the edges' pixels: sharp drawings score high, blur scores low.
double sharpness(const at::Tensor& frames);

/// Peak signal-to-noise ratio in dB of pictures in [0, 1], of any one shape: -10 log10 of the mean squared error.
double psnr(const at::Tensor& made, const at::Tensor& truth);

}  // namespace rushes::training
