// How far emotions are to be seen, and where on the way from the label to the picture they are lost.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <vector>

#include "rushes/training/face_world/face_world.h"

namespace rushes::training {

struct EmotionsSeen {
  double named;   // share of the seven emotions whose change from neutral is most like that emotion's in drawings
  double change;  // mean change of pixels at brows and mouth by an emotion, in that of drawings
};

/// Of eight pictures [3, S, S] of a person in a pose, emotions 0 to 7. The head must be where it is in `pose`: turned
/// by a few degrees, its outlines change more than brows and mouth do by an emotion.
EmotionsSeen emotions_seen(const std::vector<at::Tensor>& shown, const Identity& person, const FaceControls& pose);

/// The eight pictures that the renderer of a model directory makes when it is told of source and target what the
/// drawing knows. What is not seen in them no motion model can show.
std::vector<at::Tensor> rendered_emotions(const std::filesystem::path& model, const Identity& person,
                                          const FaceControls& pose);

/// How much of the drawings' offsets from the face at rest, of lips and brows, the motion model makes of the labels in
/// silence: [8, 2], the slope and the correlation over these offsets (of neutral, which has none, 0).
at::Tensor emotions_moved(const std::filesystem::path& model, const Identity& person, const FaceControls& pose);

}  // namespace rushes::training
