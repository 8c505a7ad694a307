#include "rushes/training/face_world/face_world.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "rushes/tensor/ops.h"
#include "rushes/training/face_world/face_parts.h"

namespace rushes::training {
namespace {

/// Latent units per unit of a control.
constexpr std::array<float, kControls> kLatentScale{1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 1.5f, 1.5f,
                                                    1.5f, 2.0f, 1.5f, 3.0f, 2.0f, 2.5f};

std::array<float, kControls> as_array(const FaceControls& c) {
  return {c.pitch,  c.yaw,   c.roll, c.shift_x, c.shift_y, c.zoom,    c.gaze_x,
          c.gaze_y, c.blink, c.brow, c.jaw,     c.width,   c.rounding};
}

FaceControls from_array(const std::array<float, kControls>& a) {
  return {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12]};
}

float between(Random& random, double low, double high) { return static_cast<float>(random.uniform(low, high)); }

/// Of `value` between corresponding `knots`; beyond the last one both move on by the same.
float through_knots(float value, std::initializer_list<std::pair<float, float>> knots) {
  std::pair<float, float> before{0, 0};
  for (const auto& knot : knots) {
    if (value < knot.first)
      return before.second +
             (value - before.first) * (knot.second - before.second) / std::max(knot.first - before.first, 1e-4f);
    before = knot;
  }
  return value + before.second - before.first;
}

float half_height_at(float x, float rx, float ry) { return ry * std::sqrt(std::max(0.0f, 1 - x * x / (rx * rx))); }

/// One picture's side of the correspondence: the head and what opens and shuts on it.
struct Posed {
  Head head;
  FaceControls controls;
  MouthShape shape;
  Point mouth;

  Posed(const Identity& id, const FaceControls& c)
      : head(id, c), controls(c), shape(mouth_shape(id, c)), mouth(mouth_centre(id, head, c)) {}
};

/// Lips and chin follow the jaw: where the point `q` of the moved face, in head units, lies in the source. False where
/// the mouth moves nothing.
bool follow_mouth(const Posed& source, const Posed& moved, Point q, Point& there) {
  const float dx = q.x - moved.mouth.x, dy = q.y - moved.mouth.y;
  const MouthShape &to = moved.shape, &from = source.shape;
  constexpr float kAbove = 0.3f, kBelow = 0.55f, kAside = 0.2f;
  const float height = dy < 0 ? kAbove + 0.05f * moved.controls.jaw : kBelow;
  if (std::abs(dx) > to.half + kAside || std::abs(dy) > height) return false;
  const float open_to = half_height_at(dx, 0.88f * to.half, to.open),
              aside = through_knots(std::abs(dx), {{to.half, from.half}, {to.half + kAside, to.half + kAside}}),
              open_from = half_height_at(aside, 0.88f * from.half, from.open);
  const std::pair<float, float> inside{open_to, open_from}, lips{open_to + to.lip, open_from + from.lip};
  const float y =
      dy < 0 ? -through_knots(
                   -dy, {inside, lips, {kAbove + 0.05f * moved.controls.jaw, kAbove + 0.05f * source.controls.jaw}})
             : through_knots(dy, {inside,
                                  lips,
                                  {0.42f + 0.06f * moved.controls.jaw, 0.42f + 0.06f * source.controls.jaw},
                                  {kBelow, kBelow}});
  there = {source.mouth.x + std::copysign(aside, dx), source.mouth.y + y};
  return true;
}

/// The same for lids and gaze.
bool follow_eyes(const Identity& id, const Posed& source, const Posed& moved, Point q, Point& there) {
  constexpr float kReach = 0.25f;
  for (const float side : {-1.0f, 1.0f}) {
    const auto eye = [&](const Posed& posed) { return posed.head.on_face(side * id.eye_spacing, kEyeY); };
    const auto lid = [&](const Posed& p) {
      return id.eye_size * id.eye_height * (0.1f + 0.9f * (1 - p.controls.blink)) * (1 + 0.12f * p.controls.brow);
    };
    const Point to = eye(moved), from = eye(source);
    const float dx = q.x - to.x, drop = 0.25f * id.eye_size, dy = q.y - to.y - drop * moved.controls.blink;
    if (std::abs(dx) > kReach || std::abs(dy) > kReach) continue;
    const float near = 1 - std::max(std::abs(dx), std::abs(dy)) / kReach,
                look = 0.5f * id.eye_size * (moved.controls.gaze_x - source.controls.gaze_x);
    const float y = std::copysign(through_knots(std::abs(dy), {{lid(moved), lid(source)}, {kReach, kReach}}), dy);
    const float roll = 0.42f * id.eye_size * id.eye_height * (moved.controls.gaze_y - source.controls.gaze_y);
    there = {from.x + dx - std::min(1.0f, 2 * near) * look,
             from.y + drop * source.controls.blink + y - std::min(1.0f, 2 * near) * roll};
    return true;
  }
  return false;
}

}  // namespace

FaceControls clamped(const FaceControls& controls) {
  std::array<float, kControls> values = as_array(controls);
  constexpr std::array<bool, kControls> one_sided{false, false, false, false, false, false, false,
                                                  false, true,  false, true,  false, true};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::clamp(values[i], one_sided[i] ? 0.0f : -1.0f, 1.0f);
  FaceControls within = from_array(values);
  within.smile_left = std::clamp(controls.smile_left, -1.0f, 1.0f);
  within.smile_right = std::clamp(controls.smile_right, -1.0f, 1.0f);
  within.brow_inner = std::clamp(controls.brow_inner, -1.0f, 1.0f);
  return within;
}

at::Tensor motion_latent(const FaceControls& controls) {
  const auto values = as_array(controls);
  at::Tensor latent = at::empty({kControls}, at::kFloat);
  for (std::size_t i = 0; i < values.size(); ++i) latent.data_ptr<float>()[i] = values[i] * kLatentScale[i];
  return latent;
}

FaceControls controls_of(const at::Tensor& motion_latent) {
  const at::Tensor latent = motion_latent.to(at::kFloat).contiguous();
  std::array<float, kControls> values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = latent.const_data_ptr<float>()[i] / kLatentScale[i];
  return from_array(values);
}

Identity make_identity(uint64_t seed, uint64_t index, Split split) {
  Random random(seed ^ (split == Split::held_out ? 0xfacedULL << 20 : 0xfaceULL), index);
  constexpr std::array<Rgb, 6> skins{{{0.98f, 0.85f, 0.75f},
                                      {0.94f, 0.76f, 0.62f},
                                      {0.85f, 0.65f, 0.48f},
                                      {0.72f, 0.5f, 0.35f},
                                      {0.52f, 0.35f, 0.24f},
                                      {0.38f, 0.25f, 0.18f}}};
  constexpr std::array<Rgb, 7> hairs{{{0.1f, 0.08f, 0.08f},
                                      {0.25f, 0.15f, 0.1f},
                                      {0.45f, 0.28f, 0.15f},
                                      {0.85f, 0.68f, 0.35f},
                                      {0.65f, 0.25f, 0.1f},
                                      {0.7f, 0.7f, 0.72f},
                                      {0.3f, 0.25f, 0.45f}}};
  constexpr std::array<Rgb, 5> irises{
      {{0.3f, 0.18f, 0.1f}, {0.25f, 0.45f, 0.7f}, {0.3f, 0.5f, 0.3f}, {0.45f, 0.5f, 0.55f}, {0.5f, 0.35f, 0.15f}}};
  constexpr std::array<Rgb, 4> frames{
      {{0.1f, 0.1f, 0.12f}, {0.5f, 0.1f, 0.1f}, {0.75f, 0.65f, 0.3f}, {0.15f, 0.2f, 0.5f}}};
  const auto colour = [&](double low, double high) {
    return Rgb{between(random, low, high), between(random, low, high), between(random, low, high)};
  };
  Identity id{};
  id.skin = mixed(random.pick(skins), random.pick(skins), between(random, 0, 0.5));
  id.hair = mixed(random.pick(hairs), colour(0, 1), between(random, 0, 0.15));
  id.iris = random.pick(irises);
  id.lips = mixed(mixed(id.skin, {0.75f, 0.2f, 0.25f}, between(random, 0.4, 0.75)), {0.4f, 0.1f, 0.15f},
                  between(random, 0, 0.2));
  id.shirt = colour(0.1, 0.9);
  id.ground_from = colour(0.15, 0.95);
  id.ground_to = mixed(id.ground_from, colour(0.15, 0.95), between(random, 0, 0.6));
  id.glasses_colour = random.pick(frames);
  id.hair_style = static_cast<HairStyle>(random.below(6));
  id.beard = random.uniform() < 0.65 ? Beard::none : static_cast<Beard>(1 + random.below(2));
  id.glasses = random.uniform() < 0.25;
  id.ground_angle = between(random, 0, 2 * std::numbers::pi);
  id.light_angle = between(random, 0, 2 * std::numbers::pi);
  id.light_depth = between(random, 0, 0.16);
  id.face_width = between(random, 0.66, 0.82);
  id.jaw_width = id.face_width * between(random, 0.72, 0.92);
  id.chin = between(random, 0.56, 0.66);
  id.ear = between(random, 0.13, 0.2);
  id.eye_spacing = between(random, 0.29, 0.36);
  id.eye_size = between(random, 0.145, 0.18);
  id.eye_height = between(random, 0.6, 0.85);
  id.brow_width = between(random, 0.05, 0.1);
  id.brow_tilt = between(random, -0.05, 0.08);
  id.nose_length = between(random, 0.2, 0.3);
  id.nose_width = between(random, 0.09, 0.15);
  id.mouth_height = between(random, 0.5, 0.57);
  id.mouth_width = between(random, 0.23, 0.3);
  id.lip = between(random, 0.045, 0.085);
  id.blush = between(random, 0, 0.5);
  id.scale = between(random, 0.92, 1.06);
  return id;
}

at::Tensor draw_face(const Identity& id, const FaceControls& wanted) {
  const FaceControls controls = clamped(wanted);
  const Head head(id, controls);
  Canvas canvas(kFaceSide);
  canvas.fill_gradient(id.ground_from, id.ground_to, id.ground_angle);
  canvas.set_frame({{head.frame.origin.x, head.frame.origin.y}, head.frame.scale, 0.35f * head.frame.angle});
  draw_behind(canvas, id, head);
  draw_body(canvas, id, head);
  canvas.set_frame(head.frame);
  draw_skull(canvas, id, head, controls);
  draw_cheeks_and_nose(canvas, id, head);
  draw_eyes(canvas, id, head, controls);
  draw_mouth(canvas, id, head, controls);
  if (id.beard == Beard::moustache) {
    const Point lip = head.on_face(0, id.mouth_height - id.lip - 0.06f, 0.03f);
    canvas.stroke({lip.x - id.mouth_width, lip.y + 0.05f}, {lip.x, lip.y - 0.08f},
                  {lip.x + id.mouth_width, lip.y + 0.05f}, id.hair, 0.09f);
  }
  draw_hair(canvas, id, head);
  if (id.glasses) draw_glasses(canvas, id, head);
  return canvas.picture();
}

at::Tensor attention_map(const Identity& id, const FaceControls& wanted) {
  const FaceControls controls = clamped(wanted);
  const Head head(id, controls);
  Canvas canvas(kFaceSide);
  canvas.set_frame(head.frame);
  for (const float side : {-1.0f, 1.0f})
    canvas.ellipse({head.on_face(side * id.eye_spacing, kEyeY), 0.26f, 0.24f}, {1, 1, 1});
  canvas.ellipse({mouth_centre(id, head, controls), 0.45f, 0.38f}, {1, 1, 1});
  return canvas.picture().narrow(0, 0, 1).clone();
}

at::Tensor correspondence(const Identity& id, const FaceControls& source_wanted, const FaceControls& moved_wanted,
                          int64_t side) {
  const FaceControls from = clamped(source_wanted), to = clamped(moved_wanted);
  const Posed source(id, from), moved(id, to);
  const auto cell = static_cast<float>(kFaceSide) / static_cast<float>(side);
  const auto into = [](const Frame& frame, float angle, Point p) {
    const float dx = (p.x - frame.origin.x) / frame.scale, dy = (p.y - frame.origin.y) / frame.scale,
                c = std::cos(angle), s = std::sin(angle);
    return Point{c * dx + s * dy, c * dy - s * dx};
  };
  const auto out_of = [](const Frame& frame, float angle, Point q) {
    const float c = std::cos(angle), s = std::sin(angle);
    return Point{frame.origin.x + frame.scale * (c * q.x - s * q.y),
                 frame.origin.y + frame.scale * (s * q.x + c * q.y)};
  };
  const Frame &source_frame = source.head.frame, &moved_frame = moved.head.frame;
  const auto opened = [&](Point p) {  // share of the cell around p that shows the inside of the mouth
    float share = 0;
    const Point centre = into(moved_frame, moved_frame.angle, p);
    if (moved.shape.open < 0.012f || std::abs(centre.x - moved.mouth.x) > 0.6f ||
        std::abs(centre.y - moved.mouth.y) > 0.6f)
      return share;
    for (const float dx : {-0.33f, 0.0f, 0.33f})
      for (const float dy : {-0.33f, 0.0f, 0.33f}) {
        const Point q = into(moved_frame, moved_frame.angle, {p.x + dx * cell, p.y + dy * cell});
        const float u = (q.x - moved.mouth.x) / (0.88f * moved.shape.half),
                    v = (q.y - moved.mouth.y) / moved.shape.open;
        share += u * u + v * v < 1 ? 1.0f / 9 : 0.0f;
      }
    return share;
  };
  at::Tensor field = at::empty({side * side, 3}, at::kFloat);
  float* out = field.data_ptr<float>();
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x) {
      const Point p{(static_cast<float>(x) + 0.5f) * cell, (static_cast<float>(y) + 0.5f) * cell};
      const Point q = into(moved_frame, moved_frame.angle, p);
      const float u = q.x / (1.25f * id.face_width), v = (q.y + 0.02f) / 1.08f;
      Point there{};
      if (follow_mouth(source, moved, q, there) || follow_eyes(id, source, moved, q, there)) {
        there = out_of(source_frame, source_frame.angle, there);
      } else if (u * u + v * v < 1) {
        Point on{q.x, q.y};  // the point of the face that is seen at q: three steps of a fixed-point iteration
        for (int i = 0; i < 3; ++i) {
          const Point seen = moved.head.on_face(on.x, on.y);
          on = {on.x + q.x - seen.x, on.y + q.y - seen.y};
        }
        there = out_of(source_frame, source_frame.angle, source.head.on_face(on.x, on.y));
      } else {
        there = out_of(source_frame, 0.35f * source_frame.angle, into(moved_frame, 0.35f * moved_frame.angle, p));
      }
      *out++ = there.x / cell - 0.5f;
      *out++ = there.y / cell - 0.5f;
      *out++ = opened(p);
    }
  return field;
}

MouthBox mouth_box(const Identity& id, const FaceControls& wanted) {
  const FaceControls controls = clamped(wanted);
  const Head head(id, controls);
  Canvas canvas(kFaceSide);
  canvas.set_frame(head.frame);
  const Point at = canvas.on_picture(mouth_centre(id, head, controls));
  return {static_cast<int64_t>(at.x), static_cast<int64_t>(at.y), static_cast<int64_t>(0.42f * head.frame.scale),
          static_cast<int64_t>(0.32f * head.frame.scale)};
}

}  // namespace rushes::training
