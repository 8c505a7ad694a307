#include "rushes/training/ditto/face_labels.h"

#include <numbers>

#include "rushes/models/ditto/pose.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/face_world/face_parts.h"

namespace rushes::training {
namespace {

constexpr int64_t K = ditto::kKeypoints;
constexpr float kReach = 60;                      // pixels of a unit: the grid's ends are the outer cells' centres
constexpr float kUnit = kPixelsPerUnit / kReach;  // of a head's unit
constexpr float kSlice = 1.0f / 3;                // z of a slice, where keypoints rest
constexpr float kState = 0.4f;                    // z from one state of a part to the other
constexpr float kDegrees = 180 / std::numbers::pi_v<float>;

enum Keypoint {
  forehead,
  left_ear,
  right_ear,
  nose,
  chin,
  left_shoulder,
  left_brow,
  right_shoulder,
  chest,
  left_ground,
  right_ground,
  left_iris,
  right_brow,
  left_lid,
  upper_lip,
  right_iris,
  right_lid,
  left_corner,
  bridge,
  lower_lip,
  right_corner
};
constexpr std::array kOutside{left_shoulder, right_shoulder, chest, left_ground, right_ground};

struct Place {
  float x = 0, y = 0, z = 0;
};
using Places = std::array<Place, K>;

float depth(float x, float y) { return std::sqrt(std::max(0.05f, 1 - 0.8f * x * x - 0.5f * y * y)) * 0.85f; }

/// In head units, the mouth shut and the eyes open.
Places resting(const Identity& id) {
  Places p{};
  const auto on_face = [](float x, float y, float lift = 0) { return Place{x, y, depth(x, y) + lift}; };
  const MouthShape mouth = mouth_shape(id, {});
  p[forehead] = on_face(0, -0.7f);
  p[nose] = on_face(0, id.nose_length, 0.2f);
  p[chin] = {0, 0.38f + 0.9f * id.chin, 0.4f};
  p[upper_lip] = on_face(0, id.mouth_height - 0.5f * mouth.lip);
  p[lower_lip] = on_face(0, id.mouth_height + 0.5f * mouth.lip);
  p[bridge] = on_face(0, kEyeY);
  for (const float side : {-1.0f, 1.0f}) {
    const bool left = side < 0;
    const float x = side * id.eye_spacing;
    p[left ? left_ear : right_ear] = {side * id.face_width * 0.98f, 0, -0.05f};
    p[left ? left_brow : right_brow] = on_face(x, kEyeY - 0.3f);
    p[left ? left_iris : right_iris] = on_face(x, kEyeY);
    p[left ? left_lid : right_lid] = on_face(x, kEyeY - id.eye_size * id.eye_height);
    p[left ? left_corner : right_corner] = on_face(side * mouth.half, id.mouth_height);
    p[left ? left_shoulder : right_shoulder] = {side * 0.9f, 1.45f, 0};
    p[left ? left_ground : right_ground] = {side * 1.49f, -1.46f, 0};
  }
  p[chest] = {0, 1.15f, 0};
  return p;
}

/// What lips, brows and eyes do: head units in x and y, grid units in z.
Places acted(const Identity& id, const FaceControls& c) {
  Places d{};
  const MouthShape rest = mouth_shape(id, {}), mouth = mouth_shape(id, c);
  const float drop = 0.05f * c.jaw, thicker = 0.5f * (mouth.lip - rest.lip);
  d[upper_lip] = {0, drop - mouth.open - thicker, -kState * c.rounding};
  d[lower_lip] = {0, drop + mouth.open + thicker, -kState * c.jaw};
  const float shut = c.blink * id.eye_size;
  for (const float side : {-1.0f, 1.0f}) {
    const bool left = side < 0;
    const float smile = left ? c.smile_left : c.smile_right;
    d[left ? left_corner : right_corner] = {side * (mouth.half - rest.half), drop - 0.12f * smile,
                                            0.5f * kState * smile};
    d[left ? left_brow : right_brow] = {0, -0.09f * c.brow - 0.03f * c.brow_inner, 0.5f * kState * c.brow_inner};
    d[left ? left_iris : right_iris] = {0.5f * id.eye_size * c.gaze_x, 0.42f * id.eye_size * id.eye_height * c.gaze_y};
    d[left ? left_lid : right_lid] = {0, shut * (0.25f + 0.9f * id.eye_height), -kState * c.blink};
  }
  d[bridge].z = -kState * c.blink;
  return d;
}

struct Pose {
  float scale, pitch, yaw, roll, t_x, t_y;  // radians
};

Pose pose_of(const Identity& id, const FaceControls& c) {
  return {id.scale * (1 + kZoom * c.zoom),  kPitch * c.pitch, kYaw * c.yaw, kRoll * c.roll, kShift * c.shift_x / kReach,
          (kShift * c.shift_y - 2) / kReach};
}

/// (Rz Ry Rx) p, as ditto::rotation().
Place turned(const Place& p, const Pose& pose) {
  const float cx = std::cos(pose.pitch), sx = std::sin(pose.pitch), cy = std::cos(pose.yaw), sy = std::sin(pose.yaw),
              cz = std::cos(pose.roll), sz = std::sin(pose.roll);
  const float y1 = cx * p.y - sx * p.z, z1 = sx * p.y + cx * p.z;
  const float x2 = cy * p.x + sy * z1, z2 = cy * z1 - sy * p.x;
  return {cz * x2 - sz * y1, sz * x2 + cz * y1, z2};
}

/// Where body and ground really are, in the grid's units.
Place outside_place(int64_t k, const Identity& id, const FaceControls& c) {
  const Head head(id, c);
  if (k == left_ground || k == right_ground)
    return {(k == left_ground ? -1.0f : 1.0f) * 58 / kReach, -58 / kReach, kSlice};
  const float angle = 0.35f * head.frame.angle, neck = head.at(0, 0.9f, -0.3f).x;
  const Place rest = resting(id)[static_cast<std::size_t>(k)];
  const float x = rest.x + (k == chest ? 0.8f : 0.6f) * neck, ca = std::cos(angle), sa = std::sin(angle);
  return {(head.frame.origin.x - 64 + head.frame.scale * (ca * x - sa * rest.y)) / kReach,
          (head.frame.origin.y - 64 + head.frame.scale * (sa * x + ca * rest.y)) / kReach, kSlice};
}

at::Tensor as_tensor(const Places& places) {
  at::Tensor values = at::empty({K, 3}, at::kFloat);
  float* out = values.data_ptr<float>();
  for (const Place& p : places) *out++ = p.x, *out++ = p.y, *out++ = p.z;
  return values;
}

Places scaled_resting(const Identity& id) {
  Places kp = resting(id);
  for (Place& p : kp) p = {kUnit * p.x, kUnit * p.y, kUnit * p.z};
  return kp;
}

Places expression(const Identity& id, const FaceControls& c) {
  const Pose pose = pose_of(id, c);
  const Places kp = scaled_resting(id), acts = acted(id, c);
  Places exp{};
  for (std::size_t k = 0; k < exp.size(); ++k)
    exp[k] = {kUnit * acts[k].x, kUnit * acts[k].y, kSlice - kp[k].z + acts[k].z};
  for (const int64_t k : kOutside) {
    const auto i = static_cast<std::size_t>(k);
    const Place there = outside_place(k, id, c), at = turned(kp[i], pose);
    exp[i] = {(there.x - pose.t_x) / pose.scale - at.x, (there.y - pose.t_y) / pose.scale - at.y,
              there.z / pose.scale - at.z};
  }
  return exp;
}

at::Tensor motion_of(const Pose& pose, const at::Tensor& exp) {
  const at::Tensor t = at::zeros({3}, at::kFloat), scale = at::full({1}, pose.scale - 1, at::TensorOptions(at::kFloat));
  t.data_ptr<float>()[0] = pose.t_x;
  t.data_ptr<float>()[1] = pose.t_y;
  return at::cat({scale, angle_logits(pose.pitch * kDegrees), angle_logits(pose.yaw * kDegrees),
                  angle_logits(pose.roll * kDegrees), t, exp.flatten()});
}

}  // namespace

at::Tensor angle_logits(float degrees) {
  constexpr float kSpread = 4;  // bins
  const at::Tensor bins = at::arange(ditto::kBins, at::TensorOptions(at::kFloat)) - 32.5;
  return bins * (-0.5 * bins + degrees / 3) / (kSpread * kSpread);
}

FaceLabels face_labels(const Identity& id, const FaceControls& controls) {
  const FaceControls c = clamped(controls);
  return {motion_of(pose_of(id, c), as_tensor(expression(id, c))), as_tensor(scaled_resting(id)).flatten()};
}

at::Tensor placed_keypoints(const FaceLabels& labels) {
  return ditto::keypoints(ditto::from_motion_vector(labels.motion), labels.kp.unsqueeze(0))[0];
}

at::Tensor driven_keypoints(const Identity& id, const FaceControls& source, const FaceControls& moved) {
  const FaceControls from = clamped(source), to = clamped(moved);
  Places exp = expression(id, to);
  const Places kept = expression(id, from);
  for (const int64_t k : kOutside) exp[static_cast<std::size_t>(k)] = kept[static_cast<std::size_t>(k)];
  return placed_keypoints({motion_of(pose_of(id, to), as_tensor(exp)), as_tensor(scaled_resting(id)).flatten()});
}

at::Tensor settled_keypoints(const Identity& id, const FaceControls& source, const FaceControls& moved) {
  const FaceControls to = clamped(moved);
  const at::Tensor points = driven_keypoints(id, source, to);
  for (const int64_t k : kOutside) {
    const Place there = outside_place(k, id, to);
    float* out = points.data_ptr<float>() + 3 * k;
    out[0] = there.x, out[1] = there.y, out[2] = there.z;
  }
  return points;
}

at::Tensor blink_offsets() {
  constexpr std::array<float, 15> kLids{0, 0.25f, 0.7f, 1, 1, 0.85f, 0.6f, 0.4f, 0.25f, 0.15f, 0.08f, 0.04f, 0, 0, 0};
  Identity usual = make_identity(1, 1, Split::train);
  usual.eye_size = 0.16f;
  usual.eye_height = 0.72f;
  const at::Tensor open = as_tensor(expression(usual, {}));
  std::vector<at::Tensor> rows;
  for (const float shut : kLids) rows.push_back((as_tensor(expression(usual, {.blink = shut})) - open).flatten());
  return at::stack(rows);
}

at::Tensor expressive_map(const Identity& id, const FaceControls& controls) {
  const FaceControls c = clamped(controls);
  const Head head(id, c);
  Canvas canvas(kFaceSide);
  canvas.set_frame(head.frame);
  for (const float side : {-1.0f, 1.0f})
    canvas.ellipse({head.on_face(side * id.eye_spacing, kEyeY - 0.12f), 0.29f, 0.38f}, {1, 1, 1});
  canvas.ellipse({mouth_centre(id, head, c), 0.47f, 0.38f}, {1, 1, 1});
  return canvas.picture().narrow(0, 0, 1).clone();
}

}  // namespace rushes::training
