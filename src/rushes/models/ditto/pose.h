// Motion of a head as numbers, and the keypoints that it means (arXiv:2407.03168, section 3.1).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::ditto {

/// Bins of an angle: logits whose expectation is an angle in steps of three degrees from -97.5.
inline constexpr int64_t kBins = 66;
inline constexpr int64_t kKeypoints = 21;
inline constexpr int64_t kExpression = 3 * kKeypoints;
/// Numbers of one motion frame, in this order: scale - 1 (1), pitch, yaw, roll (66 each), t (3), exp (63).
inline constexpr int64_t kMotion = 1 + 3 * kBins + 3 + kExpression;
/// Numbers that smoothing touches: all but exp.
inline constexpr int64_t kPose = kMotion - kExpression;

/// One frame. All float32; angles [1, 66] as logits or [1, 1] in degrees.
struct HeadMotion {
  at::Tensor scale;             // [1, 1], absolute
  at::Tensor pitch, yaw, roll;  // [1, 66] or [1, 1]
  at::Tensor t;                 // [1, 3]
  at::Tensor exp;               // [1, 63]
  at::Tensor kp;                // [1, 63]; undefined for what only drives
};

/// A vector [265], whose scale lacks 1, or [328] with an absolute scale and the resting keypoints at its end.
HeadMotion from_motion_vector(const at::Tensor& vector);
HeadMotion from_source_vector(const at::Tensor& vector);
/// The motion vector [1, 265] of a frame (its kp is left out).
at::Tensor motion_vector(const HeadMotion& motion);

/// [B, 1] degrees of [B, 66] logits: 3 sum(softmax(x)_i i) - 97.5. What has another width is in degrees already.
at::Tensor degrees(const at::Tensor& angle);
/// [B, 3, 3]: (Rz Ry Rx)^T of angles [B, 1] in degrees; a point p, as a row, turns to p R.
at::Tensor rotation(const at::Tensor& pitch, const at::Tensor& yaw, const at::Tensor& roll);
/// scale (kp R + exp), plus t in x and y: [B, 21, 3]. `kp` [B, 63] are the resting keypoints, mostly of the source.
at::Tensor keypoints(const HeadMotion& motion, const at::Tensor& kp);

}  // namespace rushes::ditto
