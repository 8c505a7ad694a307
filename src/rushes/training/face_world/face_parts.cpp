#include "rushes/training/face_world/face_parts.h"

#include <numbers>

namespace rushes::training {
namespace {

Rgb scaled(const Rgb& a, float gain) {
  return {std::min(a[0] * gain, 1.0f), std::min(a[1] * gain, 1.0f), std::min(a[2] * gain, 1.0f)};
}

}  // namespace

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
    const Point inner = head.on_face(x - side * 0.15f, kEyeY - lift - 0.1f * c.brow_inner, 0.03f),
                outer = head.on_face(x + side * 0.17f, kEyeY - lift + id.brow_tilt + 0.05f * c.brow_inner, 0.0f);
    canvas.stroke(inner, {(inner.x + outer.x) / 2, std::min(inner.y, outer.y) - 0.07f}, outer, scaled(id.hair, 0.8f),
                  id.brow_width);
  }
}

namespace {

/// Corners that go up or down: the lips' ends bend over the cheek.
void draw_corners(Canvas& canvas, const Identity& id, Point centre, const MouthShape& mouth, const FaceControls& c) {
  const Rgb shade = scaled(id.lips, 0.62f);
  for (const float side : {-1.0f, 1.0f}) {
    const float lift = side < 0 ? c.smile_left : c.smile_right, reach = mouth.half + 0.3f * mouth.lip;
    if (lift == 0) continue;
    const Point tip{centre.x + side * (reach + 0.05f), centre.y - 0.15f * lift};
    canvas.stroke({centre.x + side * 0.7f * reach, centre.y}, {centre.x + side * (reach + 0.01f), centre.y}, tip, shade,
                  0.05f);
  }
}

}  // namespace

void draw_mouth(Canvas& canvas, const Identity& id, const Head& head, const FaceControls& c) {
  const Point centre = mouth_centre(id, head, c);
  const auto [half, open, lip] = mouth_shape(id, c);
  canvas.ellipse({centre, half + 0.3f * lip, open + lip}, id.lips);
  draw_corners(canvas, id, centre, {half, open, lip}, c);
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

}  // namespace rushes::training
