// What a drawn face is in the terms of implicit keypoints. The drawing knows where everything is, so the 21 keypoints
// have a meaning and are not found by self-supervision; docs/models/shipped-ditto.md has the list.
//
// x and y of a keypoint are its place on the picture. z is not needed for depth alone: the volume's slices hold the
// states of a part (a shut and an open mouth, an open and a shut eye), and z says which one is shown.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/training/face_world/face_world.h"

namespace rushes::training {

/// One picture. With ditto::keypoints() the parts of `motion` give the places of all keypoints, but that what lips,
/// brows and eyes do is not turned with the head: the reference adds expressions after the rotation.
struct FaceLabels {
  at::Tensor motion;  // [265] float32, ditto::motion_vector()
  at::Tensor kp;      // [63], of the person, at rest
};
FaceLabels face_labels(const Identity& identity, const FaceControls& controls);

/// Keypoints [21, 3] of a picture, as ditto::keypoints() has them.
at::Tensor placed_keypoints(const FaceLabels& labels);

/// Keypoints [21, 3] of `moved` as they should drive `source`: head, lips, brows and eyes by the formula, body and
/// ground where they are. What a stitching network turns the formula's answer into.
at::Tensor settled_keypoints(const Identity& identity, const FaceControls& source, const FaceControls& moved);
/// The formula's answer: expression of lips, brows and eyes from `moved`, the rest of it from `source`.
at::Tensor driven_keypoints(const Identity& identity, const FaceControls& source, const FaceControls& moved);

/// Logits [66] of an angle: those of a normal distribution over the bins, without what all have in common. Linear in
/// the angle, so differences of logits are differences of angles, which relative motion takes them for.
at::Tensor angle_logits(float degrees);

/// [15, 63]: offsets of the eyes' keypoints while lids shut and open; row 0 is open.
at::Tensor blink_offsets();

/// Where a loss should look: [1, kFaceSide, kFaceSide], 1 at brows, eyes and mouth, 0 elsewhere.
at::Tensor expressive_map(const Identity& identity, const FaceControls& controls);

}  // namespace rushes::training
