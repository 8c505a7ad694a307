// What a clip of the procedural world shows, read off its pixels by plain rules: no learned judge. The same rules
// measure the shipped model's prompt fidelity.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "rushes/training/wan/world.h"

namespace rushes::training {

/// One object over the frames of a clip. Lengths are fractions of the picture.
struct SeenObject {
  Colour colour;
  std::optional<Shape> shape{};          // named by most of the frames that show it whole
  double overlap = 0;                    // mean intersection over union with the outlines of those frames
  double turned = 0;                     // radians from the first frame to the last, clockwise; of a named shape
  std::vector<double> x{}, y{}, area{};  // centre and area in each video frame; unseen: the centre stays, the area is 0
  std::vector<double> top{};             // of each video frame
};

struct Reading {
  Ground ground;                    // of most pixels
  std::vector<SeenObject> objects;  // largest first, two at most
  std::optional<Motion> motion;     // of the first object; none: no rule fits
};

/// Reads a clip [T, 3, H, W] float in [0, 1], T >= 5, at 16 frames per second. Any thread.
Reading read_clip(const at::Tensor& frames);

/// Mean gradient magnitude over the edges' pixels: sharp drawings score high, blur scores low.
double sharpness(const at::Tensor& frames);

}  // namespace rushes::training
