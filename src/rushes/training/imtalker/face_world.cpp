#include "rushes/training/imtalker/face_world.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

constexpr float kPitch = 0.17f, kYaw = 0.25f, kRoll = 0.18f;  // radians at control 1
constexpr float kShift = 4, kZoom = 0.07f;                    // pixels; share of the size
constexpr float kPixelsPerUnit = 39;
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

FaceControls clamped(const FaceControls& controls) {
  std::array<float, kControls> values = as_array(controls);
  constexpr std::array<bool, kControls> one_sided{false, false, false, false, false, false, false,
                                                  false, true,  false, true,  false, true};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::clamp(values[i], one_sided[i] ? 0.0f : -1.0f, 1.0f);
  return from_array(values);
}

Rgb mixed(const Rgb& a, const Rgb& b, float t) {
  return {a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])};
}
Rgb scaled(const Rgb& a, float gain) {
  return {std::min(a[0] * gain, 1.0f), std::min(a[1] * gain, 1.0f), std::min(a[2] * gain, 1.0f)};
}

float between(Random& random, double low, double high) { return static_cast<float>(random.uniform(low, high)); }

/// The head as a ball with features at depths: where they appear after turning. All in head units.
class Head {
 public:
  Head(const Identity& identity, const FaceControls& controls)
      : cos_yaw_(std::cos(kYaw * controls.yaw)),
        sin_yaw_(std::sin(kYaw * controls.yaw)),
        cos_pitch_(std::cos(kPitch * controls.pitch)),
        sin_pitch_(std::sin(kPitch * controls.pitch)) {
    frame.origin = {64 + kShift * controls.shift_x, 62 + kShift * controls.shift_y};
    frame.scale = kPixelsPerUnit * identity.scale * (1 + kZoom * controls.zoom);
    frame.angle = kRoll * controls.roll;
  }
  Point at(float x, float y, float z) const {
    const float turned = z * cos_yaw_ - x * sin_yaw_;
    return {x * cos_yaw_ + z * sin_yaw_, y * cos_pitch_ - turned * sin_pitch_};
  }
  /// On the front of the ball.
  Point on_face(float x, float y, float lift = 0) const {
    return at(x, y, std::sqrt(std::max(0.05f, 1 - 0.8f * x * x - 0.5f * y * y)) * 0.85f + lift);
  }
  float narrowed(float x) const { return std::max(0.6f, cos_yaw_ - 0.5f * x * sin_yaw_); }

  Frame frame;

 private:
  float cos_yaw_, sin_yaw_, cos_pitch_, sin_pitch_;
};

constexpr float kEyeY = -0.12f;

Point mouth_centre(const Identity& id, const Head& head, const FaceControls& c) {
  return head.on_face(0, id.mouth_height + 0.05f * c.jaw);
}

/// Half width and half height of the opening, thickness of the lips: in head units.
struct MouthShape {
  float half, open, lip;
};

MouthShape mouth_shape(const Identity& id, const FaceControls& c) {
  return {id.mouth_width * (1 + 0.25f * c.width) * (1 - 0.42f * c.rounding), 0.25f * c.jaw * (1 - 0.25f * c.rounding),
          id.lip * (1 + 0.5f * c.rounding)};
}

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

void draw_behind(Canvas& canvas, const Identity& id, const Head& head) {
  const Rgb dark = scaled(id.hair, 0.75f);
  const Point back = head.at(0, -0.1f, -0.35f);
  if (id.hair_style == HairStyle::long_hair)
    canvas.ellipse({{back.x, back.y + 0.32f}, id.face_width * 1.28f, 1.22f}, dark);
  if (id.hair_style == HairStyle::curly) {
    for (int i = 0; i < 9; ++i) {
      const float angle = std::numbers::pi_v<float> * (1.0f + static_cast<float>(i) / 8);
      canvas.ellipse(
          {{back.x + 0.82f * id.face_width * 1.15f * std::cos(angle), back.y + 0.1f + 0.85f * std::sin(angle)},
           0.33f,
           0.33f},
          dark);
    }
    canvas.ellipse({{back.x, back.y - 0.1f}, id.face_width * 1.15f, 0.98f}, dark);
  }
}

void draw_body(Canvas& canvas, const Identity& id, const Head& head) {
  const Point neck = head.at(0, 0.9f, -0.3f);
  canvas.ellipse({{0.6f * neck.x, 1.98f}, 1.35f, 0.72f}, id.shirt);
  canvas.ellipse({{0.8f * neck.x, 1.1f}, 0.36f, 0.46f}, scaled(id.skin, 0.8f));
}

void draw_skull(Canvas& canvas, const Identity& id, const Head& head, const FaceControls& c) {
  for (const float side : {-1.0f, 1.0f}) {
    const Point ear = head.at(side * id.face_width * 0.98f, 0.0f, -0.05f);
    canvas.ellipse({ear, id.ear * 0.6f, id.ear}, scaled(id.skin, 0.88f));
    canvas.ellipse({ear, id.ear * 0.3f, id.ear * 0.6f}, scaled(id.skin, 0.7f));
  }
  const Point skull = head.at(0, -0.18f, 0), jaw = head.at(0, 0.38f + 0.11f * c.jaw, 0.25f);
  const Ellipse cranium{skull, id.face_width, 0.82f}, chin{jaw, id.jaw_width, id.chin};
  canvas.ellipse(cranium, id.skin);
  canvas.ellipse(chin, id.skin);
  canvas.light({{skull.x, skull.y + 0.2f}, id.face_width * 0.97f, 1.0f}, id.light_angle, id.light_depth);
  if (id.beard == Beard::full) {
    const Point top = head.on_face(0, 0.12f);
    canvas.ellipse({{jaw.x, jaw.y + 0.03f}, id.jaw_width * 1.02f, id.chin * 1.03f}, id.hair, 1,
                   {{{top.x, top.y - 0.45f}, -id.face_width * 1.1f, 0.72f}});
  }
}

void draw_cheeks_and_nose(Canvas& canvas, const Identity& id, const Head& head) {
  const Rgb blush = mixed(id.skin, {0.9f, 0.35f, 0.3f}, 0.5f);
  for (const float side : {-1.0f, 1.0f})
    canvas.ellipse({head.on_face(side * 0.42f, 0.22f), 0.16f, 0.11f}, blush, id.blush);
  const Point root = head.on_face(0, kEyeY + 0.06f, 0.08f), tip = head.on_face(0, id.nose_length, 0.2f);
  const Rgb shade = scaled(id.skin, 0.72f);
  canvas.ellipse({{tip.x, tip.y}, id.nose_width, id.nose_width * 0.72f}, scaled(id.skin, 0.9f));
  canvas.stroke(root, {root.x + 0.5f * (tip.x - root.x) - 0.03f, (root.y + tip.y) / 2}, {tip.x - id.nose_width, tip.y},
                shade, 0.035f, 0.8f);
  canvas.stroke({tip.x - id.nose_width * 0.8f, tip.y + 0.05f}, {tip.x, tip.y + 0.11f},
                {tip.x + id.nose_width * 0.8f, tip.y + 0.05f}, shade, 0.04f);
}

void draw_eyes(Canvas& canvas, const Identity& id, const Head& head, const FaceControls& c) {
  for (const float side : {-1.0f, 1.0f}) {
    const float x = side * id.eye_spacing;
    const Point eye = head.on_face(x, kEyeY);
    const float narrow = head.narrowed(x), open = 1 - c.blink;
    const float rx = id.eye_size * narrow,
                ry = id.eye_size * id.eye_height * (0.1f + 0.9f * open) * (1 + 0.12f * c.brow);
    canvas.ellipse({eye, rx * 1.25f, id.eye_size * 0.95f}, scaled(id.skin, 0.86f), 0.7f);
    const Point low{eye.x, eye.y + (1 - open) * 0.25f * id.eye_size};
    if (open > 0.05f) {
      const Ellipse opening{low, rx, ry};
      canvas.ellipse(opening, {0.97f, 0.97f, 0.96f});
      const Point iris{low.x + 0.5f * rx * c.gaze_x, eye.y + 0.42f * id.eye_size * id.eye_height * c.gaze_y};
      canvas.ellipse({iris, 0.56f * id.eye_size * narrow, 0.56f * id.eye_size}, id.iris, 1, {opening});
      canvas.ellipse({iris, 0.27f * id.eye_size * narrow, 0.27f * id.eye_size}, {0.05f, 0.05f, 0.06f}, 1, {opening});
    }
    canvas.stroke({low.x - rx, low.y + 0.01f}, {low.x, low.y - 2 * ry + 0.01f + 0.5f * c.blink * id.eye_size},
                  {low.x + rx, low.y + 0.01f}, {0.12f, 0.08f, 0.08f}, 0.045f);
    const float lift = 0.3f + 0.09f * c.brow;
    const Point inner = head.on_face(x - side * 0.15f, kEyeY - lift + side * 0, 0.03f),
                outer = head.on_face(x + side * 0.17f, kEyeY - lift + id.brow_tilt, 0.0f);
    canvas.stroke(inner, {(inner.x + outer.x) / 2, std::min(inner.y, outer.y) - 0.07f}, outer, scaled(id.hair, 0.8f),
                  id.brow_width);
  }
}

void draw_mouth(Canvas& canvas, const Identity& id, const Head& head, const FaceControls& c) {
  const Point centre = mouth_centre(id, head, c);
  const auto [half, open, lip] = mouth_shape(id, c);
  canvas.ellipse({centre, half + 0.3f * lip, open + lip}, id.lips);
  if (open < 0.012f) {
    canvas.stroke({centre.x - half, centre.y - 0.015f}, {centre.x, centre.y + 0.02f},
                  {centre.x + half, centre.y - 0.015f}, scaled(id.lips, 0.5f), 0.03f);
    return;
  }
  const Ellipse inner{centre, half * 0.88f, open};
  canvas.ellipse(inner, {0.22f, 0.04f, 0.06f});
  canvas.ellipse({{centre.x, centre.y - open}, half * 0.7f, std::min(0.07f, 0.5f * open)}, {0.95f, 0.95f, 0.92f}, 1,
                 {inner});
  canvas.ellipse({{centre.x, centre.y + open}, half * 0.5f, 0.45f * open}, {0.75f, 0.3f, 0.32f}, 1, {inner});
}

void draw_hair(Canvas& canvas, const Identity& id, const Head& head) {
  const Point skull = head.at(0, -0.2f, 0), brow = head.on_face(0, 0.0f);
  const Ellipse cap{{skull.x, skull.y - 0.02f}, id.face_width * 1.05f, 0.86f};
  const auto above = [](Point centre, float rx, float ry) { return Ellipse{centre, -rx, ry}; };
  switch (id.hair_style) {
    case HairStyle::bald: return;
    case HairStyle::cropped:
      canvas.ellipse(cap, id.hair, 0.75f, {above({brow.x, brow.y + 0.05f}, id.face_width * 1.0f, 0.75f)});
      return;
    case HairStyle::short_hair:
      canvas.ellipse({{cap.centre.x, cap.centre.y - 0.04f}, cap.rx * 1.04f, cap.ry * 1.04f}, id.hair, 1,
                     {above({brow.x, brow.y + 0.12f}, id.face_width * 0.98f, 0.66f)});
      return;
    case HairStyle::long_hair:
    case HairStyle::curly:
      canvas.ellipse({{cap.centre.x, cap.centre.y - 0.04f}, cap.rx * 1.05f, cap.ry * 1.05f}, id.hair, 1,
                     {above({brow.x, brow.y + 0.16f}, id.face_width * 0.93f, 0.68f)});
      return;
    case HairStyle::side_parting:
      canvas.ellipse({{cap.centre.x, cap.centre.y - 0.04f}, cap.rx * 1.05f, cap.ry * 1.05f}, id.hair, 1,
                     {above({brow.x + 0.22f, brow.y + 0.12f}, id.face_width * 1.0f, 0.66f)});
      return;
  }
}

void draw_glasses(Canvas& canvas, const Identity& id, const Head& head) {
  Point rims[2];
  for (int i = 0; i < 2; ++i) {
    const float x = (i == 0 ? -1.0f : 1.0f) * id.eye_spacing;
    rims[i] = head.on_face(x, kEyeY + 0.02f, 0.05f);
    const float narrow = head.narrowed(x);
    canvas.ring({rims[i], 0.25f * narrow, 0.22f}, id.glasses_colour, 0.04f);
    const Point ear = head.at((i == 0 ? -1.0f : 1.0f) * id.face_width, -0.12f, 0.0f),
                rim{rims[i].x + (i == 0 ? -0.25f : 0.25f) * narrow, rims[i].y};
    canvas.stroke(rim, {(rim.x + ear.x) / 2, (rim.y + ear.y) / 2}, ear, id.glasses_colour, 0.035f);
  }
  canvas.stroke({rims[0].x + 0.22f, rims[0].y}, {(rims[0].x + rims[1].x) / 2, rims[0].y - 0.06f},
                {rims[1].x - 0.22f, rims[1].y}, id.glasses_colour, 0.035f);
}

}  // namespace

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

FaceControls random_controls(Random& random) {
  const auto spread = [&] {  // dense near 0, and the whole range
    const double u = random.uniform(-1, 1);
    return static_cast<float>(random.uniform() < 0.4 ? u : u * std::abs(u));
  };
  const auto amount = [&](double rest) { return random.uniform() < rest ? 0.0f : between(random, 0, 1); };
  FaceControls c;
  c.pitch = spread(), c.yaw = spread(), c.roll = spread();
  c.shift_x = spread(), c.shift_y = spread(), c.zoom = spread();
  c.gaze_x = between(random, -1, 1), c.gaze_y = between(random, -1, 1);
  c.blink = amount(0.6);
  c.brow = spread();
  c.jaw = amount(0.25);
  c.width = between(random, -1, 1);
  c.rounding = amount(0.5);
  return c;
}

FaceControls portrait_controls(Random& random) {
  FaceControls controls = random_controls(random);
  if (random.uniform() < 0.8) controls.blink = 0;
  if (random.uniform() < 0.6) controls.jaw *= 0.15f;
  return controls;
}

void calm(FaceControls& controls, const FaceControls& centre, float share) {
  for (float FaceControls::*field : {&FaceControls::pitch, &FaceControls::yaw, &FaceControls::roll,
                                     &FaceControls::shift_x, &FaceControls::shift_y, &FaceControls::zoom})
    controls.*field = centre.*field + share * controls.*field;
}

std::vector<FaceControls> idle_motion(Random& random, const FaceControls& centre, int64_t video_frames) {
  FaceControls still = centre;
  still.blink = still.jaw = still.width = still.rounding = 0;
  std::vector<FaceControls> motion(static_cast<std::size_t>(video_frames), still);
  const auto waves = [&](float FaceControls::*field, double depth) {
    for (int wave = 0; wave < 3; ++wave) {
      const float rate = between(random, 0.1, 0.45), phase = between(random, 0, 2 * std::numbers::pi),
                  size = between(random, 0.2, 1) * static_cast<float>(depth);
      for (std::size_t t = 0; t < motion.size(); ++t) {
        const auto seconds = static_cast<float>(t) / 25;
        const float fade = std::sin(phase) * std::exp(-seconds / 1.5f);  // nobody jumps in the first frame
        motion[t].*field += size * (std::sin(2 * std::numbers::pi_v<float> * rate * seconds + phase) - fade);
      }
    }
  };
  waves(&FaceControls::pitch, 0.12);
  waves(&FaceControls::yaw, 0.14);
  waves(&FaceControls::roll, 0.1);
  waves(&FaceControls::shift_x, 0.08);
  waves(&FaceControls::shift_y, 0.08);
  waves(&FaceControls::zoom, 0.06);
  waves(&FaceControls::brow, 0.15);
  float x = centre.gaze_x, y = centre.gaze_y, to_x = x, to_y = y;
  int64_t next_look = random.below(50), next_blink = random.below(75);
  for (int64_t t = 0; t < video_frames; ++t) {
    FaceControls& c = motion[static_cast<std::size_t>(t)];
    if (t == next_look) {
      to_x = centre.gaze_x + between(random, -0.25, 0.25);
      to_y = centre.gaze_y + between(random, -0.15, 0.15);
      next_look += 15 + random.below(50);
    }
    x += 0.5f * (to_x - x);
    y += 0.5f * (to_y - y);
    c.gaze_x = x;
    c.gaze_y = y;
    constexpr std::array<float, 6> lids{0.45f, 1.0f, 1.0f, 0.7f, 0.35f, 0.1f};
    if (const int64_t since = t - next_blink; since >= 0) {
      if (since < 6) c.blink = lids[static_cast<std::size_t>(since)];
      if (since == 6) next_blink = t + 40 + random.below(80);
    }
  }
  return motion;
}

}  // namespace rushes::training
