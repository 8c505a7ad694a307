// What the eight emotions do to a drawn face: brows, corners and width of the mouth.
#pragma once
#include <cstdint>

#include "rushes/training/face_world/face_world.h"

namespace rushes::training {

/// `controls` with the emotion of a label of ditto::kEmotions (0 angry, 1 disgust, 2 fear, 3 happy, 4 neutral, 5 sad,
/// 6 surprise, 7 contempt) added to what moves already, times `share`. Within the controls' ranges.
FaceControls expressed(const FaceControls& controls, int64_t emotion, float share = 1);

/// Whatever the parts of emotions can do, each on its own: what a renderer should have seen.
FaceControls random_expression(const FaceControls& controls, Random& random);

}  // namespace rushes::training
