#include "rushes/training/omniavatar/avatar_world.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "rushes/tensor/ops.h"
#include "rushes/training/face_world/face_parts.h"
#include "rushes/training/face_world/speech_world.h"

namespace rushes::training {
namespace {

constexpr std::array<Rgb, kHairs> kHairColours{{{0.08f, 0.07f, 0.08f},
                                                {0.4f, 0.24f, 0.12f},
                                                {0.92f, 0.76f, 0.38f},
                                                {0.72f, 0.24f, 0.08f},
                                                {0.7f, 0.7f, 0.73f},
                                                {0.45f, 0.25f, 0.6f}}};
constexpr std::array<Rgb, kCloths> kClothColours{{{0.8f, 0.13f, 0.13f},
                                                  {0.93f, 0.52f, 0.12f},
                                                  {0.93f, 0.85f, 0.2f},
                                                  {0.15f, 0.58f, 0.22f},
                                                  {0.15f, 0.3f, 0.75f},
                                                  {0.5f, 0.2f, 0.6f},
                                                  {0.93f, 0.93f, 0.93f},
                                                  {0.12f, 0.12f, 0.14f}}};
constexpr std::array<Rgb, kWalls> kWallColours{{{0.55f, 0.56f, 0.58f},
                                                {0.35f, 0.55f, 0.85f},
                                                {0.45f, 0.72f, 0.4f},
                                                {0.45f, 0.3f, 0.2f},
                                                {0.95f, 0.66f, 0.74f},
                                                {0.1f, 0.5f, 0.5f},
                                                {0.87f, 0.78f, 0.58f},
                                                {0.5f, 0.4f, 0.75f}}};
constexpr std::array<Rgb, kSkins> kSkinColours{{{0.97f, 0.82f, 0.71f}, {0.79f, 0.58f, 0.42f}, {0.42f, 0.28f, 0.2f}}};

constexpr std::array<FaceControls, kMoods> kMoodFaces{{
    {},
    {.brow = 0.35f, .width = 0.45f, .smile_left = 1.0f, .smile_right = 1.0f, .brow_inner = 0.1f},
    {.brow = -0.2f, .width = -0.25f, .smile_left = -1.0f, .smile_right = -1.0f, .brow_inner = 1.0f},
    {.brow = -0.8f, .width = -0.1f, .smile_left = -0.5f, .smile_right = -0.5f, .brow_inner = -1.0f},
    {.brow = 1.0f, .rounding = 0.35f, .brow_inner = 0.4f},
}};

constexpr float kCalm = 0.5f;       // of the idle motion of talking heads
constexpr int64_t kMoodFrames = 6;  // until a mood or a gesture that comes after a portrait is all there

float between(Random& random, double low, double high) { return static_cast<float>(random.uniform(low, high)); }

template <typename E>
E any(Random& random, int count) {
  return static_cast<E>(random.below(count));
}

// One in ten combinations of what a caption says most loudly.
bool is_held_out(const SpeakerLabels& l) {
  const auto number =
      static_cast<uint64_t>(l.hair) +
      6 * (static_cast<uint64_t>(l.cloth) + 8 * (static_cast<uint64_t>(l.wall) + 8 * static_cast<uint64_t>(l.mood)));
  return Random(0xa7a7, number).below(10) == 0;
}

SpeakerLabels draw_labels(Random& random, Split split) {
  for (;;) {
    SpeakerLabels l{};
    const bool woman = random.below(2) == 0;
    l.noun = random.uniform() < 0.2 ? Noun::person : woman ? Noun::woman : Noun::man;
    l.skin = any<Skin>(random, kSkins);
    l.hair = any<Hair>(random, kHairs);
    l.cut = any<Cut>(random, kCuts);
    if (woman && l.cut == Cut::bald) l.cut = Cut::long_hair;
    if (!woman && l.cut == Cut::long_hair) l.cut = Cut::close;
    l.beard = !woman && random.uniform() < 0.35;
    l.glasses = random.uniform() < 0.3;
    l.garment = any<Garment>(random, kGarments);
    l.cloth = any<Cloth>(random, kCloths);
    l.wall = any<Wall>(random, kWalls);
    l.mood = random.uniform() < 0.2 ? Mood::calm : any<Mood>(random, kMoods);
    l.gesture = random.uniform() < 0.35 ? Gesture::still : any<Gesture>(random, kGestures);
    l.framing = any<Framing>(random, kFramings);
    if (is_held_out(l) == (split == Split::held_out)) return l;
  }
}

Rgb varied(const Rgb& colour, Random& random, double spread) {
  return mixed(colour, {between(random, 0, 1), between(random, 0, 1), between(random, 0, 1)},
               between(random, 0, spread));
}

// What captions speak of, in plain colours.
void dress(Identity& id, const SpeakerLabels& l) {
  id.skin = kSkinColours[static_cast<std::size_t>(l.skin)];
  id.hair = rgb(l.hair);
  id.lips = mixed(id.skin, {0.75f, 0.15f, 0.2f}, l.noun == Noun::woman ? 0.75f : 0.5f);
  id.shirt = rgb(l.cloth);
  id.ground_from = rgb(l.wall);
  id.ground_to = mixed(id.ground_from, {0.1f, 0.1f, 0.12f}, 0.12f);
  id.ground_angle = 0.5f * std::numbers::pi_v<float>;  // darker below
  id.beard = l.beard ? Beard::full : Beard::none;
  id.glasses = l.glasses;
  switch (l.cut) {
    case Cut::bald: id.hair_style = HairStyle::bald; break;
    case Cut::close: id.hair_style = HairStyle::short_hair; break;
    case Cut::long_hair: id.hair_style = HairStyle::long_hair; break;
    case Cut::curly: id.hair_style = HairStyle::curly; break;
  }
}

Identity identity_of(const SpeakerLabels& l, Random& random, uint64_t seed, uint64_t index, Split split) {
  Identity id = make_identity(seed, index, split);
  dress(id, l);
  id.skin = varied(id.skin, random, 0.07);
  id.hair = varied(id.hair, random, 0.07);
  id.lips = varied(mixed(id.lips, id.skin, between(random, 0, 0.25)), random, 0.05);
  id.shirt = varied(id.shirt, random, 0.05);
  id.ground_from = varied(id.ground_from, random, 0.05);
  id.ground_to = mixed(id.ground_from, {0.1f, 0.1f, 0.12f}, between(random, 0, 0.25));
  id.ground_angle = between(random, 0.25, 0.75) * std::numbers::pi_v<float>;
  if (l.cut == Cut::close && random.below(2) == 0) id.hair_style = HairStyle::side_parting;
  return id;
}

// The head's place on a picture of `side` pixels; pictures of faces are of kFaceSide.
Head framed(const Speaker& speaker, const FaceControls& c, int64_t side) {
  Head head(speaker.identity, c);
  const bool near = speaker.labels.framing == Framing::near;
  const float pixel = static_cast<float>(side) / static_cast<float>(kFaceSide), size = near ? 1.14f : 0.84f,
              rise = near ? -5.0f : -9.0f;
  head.frame.origin = {pixel * (64 + size * (head.frame.origin.x - 64)),
                       pixel * (62 + rise + size * (head.frame.origin.y - 62))};
  head.frame.scale *= pixel * size;
  return head;
}

// Over the plain body, whose ellipse draw_body() has drawn.
void draw_garment(Canvas& canvas, const Speaker& speaker, const Head& head) {
  const Identity& id = speaker.identity;
  const float x = 0.6f * head.at(0, 0.9f, -0.3f).x;
  const Ellipse body{{x, 1.98f}, 1.35f, 0.72f};
  const Rgb dark = mixed(id.shirt, {0, 0, 0}, 0.35f), light = mixed(id.shirt, {1, 1, 1}, 0.6f);
  switch (speaker.labels.garment) {
    case Garment::t_shirt:
      canvas.ellipse({{x, 1.33f}, 0.42f, 0.22f}, dark, 1, {body});
      canvas.ellipse({{x, 1.3f}, 0.36f, 0.18f}, mixed(id.skin, {0, 0, 0}, 0.2f));
      return;
    case Garment::shirt:
      for (const float side : {-1.0f, 1.0f})
        canvas.stroke({x + side * 0.38f, 1.32f}, {x + side * 0.3f, 1.55f}, {x + side * 0.04f, 1.6f}, light, 0.15f);
      canvas.stroke({x, 1.66f}, {x, 2.1f}, {x, 2.7f}, dark, 0.05f);
      return;
    case Garment::suit:
      canvas.ellipse({{x, 1.5f}, 0.3f, 0.75f}, {0.93f, 0.93f, 0.95f}, 1, {body});
      canvas.stroke({x, 1.5f}, {x, 1.9f}, {x, 2.3f}, dark, 0.14f);
      for (const float side : {-1.0f, 1.0f})
        canvas.stroke({x + side * 0.36f, 1.36f}, {x + side * 0.45f, 1.8f}, {x + side * 0.06f, 2.4f}, dark, 0.08f);
      return;
    case Garment::sweater:
      for (const float y : {1.5f, 1.78f, 2.06f, 2.34f}) canvas.ellipse({{x, y}, 1.4f, 0.07f}, light, 1, {body});
      return;
  }
}

// Half of the idle motion around the portrait's pose and gaze.
FaceControls calmed(const FaceControls& idle, const FaceControls& portrait) {
  FaceControls c = idle;
  for (float FaceControls::*field :
       {&FaceControls::pitch, &FaceControls::yaw, &FaceControls::roll, &FaceControls::shift_x, &FaceControls::shift_y,
        &FaceControls::zoom, &FaceControls::gaze_x, &FaceControls::gaze_y, &FaceControls::brow})
    c.*field = portrait.*field + kCalm * (idle.*field - portrait.*field);
  return c;
}

}  // namespace

Rgb rgb(Hair hair) { return kHairColours[static_cast<std::size_t>(hair)]; }
Rgb rgb(Cloth cloth) { return kClothColours[static_cast<std::size_t>(cloth)]; }
Rgb rgb(Wall wall) { return kWallColours[static_cast<std::size_t>(wall)]; }

FaceControls in_mood(const FaceControls& controls, Mood mood, float share) {
  const FaceControls& face = kMoodFaces[static_cast<std::size_t>(mood)];
  FaceControls sum = controls;
  for (float FaceControls::*field : {&FaceControls::brow, &FaceControls::width, &FaceControls::rounding,
                                     &FaceControls::smile_left, &FaceControls::smile_right, &FaceControls::brow_inner})
    sum.*field += share * face.*field;
  return clamped(sum);
}

FaceControls gesture_at(Gesture gesture, double seconds) {
  const auto wave = [&](double hz) { return static_cast<float>(std::sin(2 * std::numbers::pi * hz * seconds)); };
  switch (gesture) {
    case Gesture::still: return {};
    case Gesture::nodding: return {.pitch = -0.75f * wave(1.0), .shift_y = 0.35f * wave(1.0)};
    case Gesture::shaking: return {.yaw = 0.8f * wave(0.8)};
    case Gesture::looking_left: return {.yaw = -0.8f, .gaze_x = -0.6f};
    case Gesture::looking_right: return {.yaw = 0.8f, .gaze_x = 0.6f};
  }
  return {};
}

Speaker make_speaker(uint64_t seed, uint64_t index, Split split) {
  Random random(seed ^ (split == Split::held_out ? 0xa7a7a2ULL << 20 : 0xa7a7a2ULL), index);
  Speaker speaker{};
  speaker.labels = draw_labels(random, split);
  speaker.identity = identity_of(speaker.labels, random, seed, index, split);
  speaker.has_portrait = random.uniform() < 0.6;
  FaceControls& c = speaker.portrait;
  const double turned = speaker.has_portrait ? 0.3 : 0.1;
  c.pitch = between(random, -turned, turned), c.yaw = between(random, -turned, turned);
  c.roll = between(random, -turned, turned), c.shift_x = between(random, -turned, turned);
  c.shift_y = between(random, -turned, turned), c.zoom = between(random, -turned, turned);
  c.gaze_x = between(random, -turned, turned), c.gaze_y = between(random, -turned, turned);
  if (speaker.has_portrait) {
    if (random.uniform() < 0.3) c.jaw = between(random, 0, 0.4);
    if (random.uniform() < 0.3) c = in_mood(c, any<Mood>(random, kMoods));
  }
  speaker.caption = speaker_caption(speaker.labels, speaker.has_portrait, random.next());
  return speaker;
}

Speaker dressed_as(const Speaker& speaker, const SpeakerLabels& labels) {
  Speaker other = speaker;
  other.labels = labels;
  dress(other.identity, labels);
  return other;
}

at::Tensor draw_speaker(const Speaker& speaker, const FaceControls& wanted, int64_t side) {
  const Identity& id = speaker.identity;
  const FaceControls controls = clamped(wanted);
  const Head head = framed(speaker, controls, side);
  Canvas canvas(side);
  canvas.fill_gradient(id.ground_from, id.ground_to, id.ground_angle);
  canvas.set_frame({head.frame.origin, head.frame.scale, 0.35f * head.frame.angle});
  draw_behind(canvas, id, head);
  draw_body(canvas, id, head);
  draw_garment(canvas, speaker, head);
  canvas.set_frame(head.frame);
  draw_skull(canvas, id, head, controls);
  draw_cheeks_and_nose(canvas, id, head);
  draw_eyes(canvas, id, head, controls);
  draw_mouth(canvas, id, head, controls);
  draw_hair(canvas, id, head);
  if (id.glasses) draw_glasses(canvas, id, head);
  return canvas.picture();
}

FacePlaces face_places(const Speaker& speaker, const FaceControls& wanted, int64_t side) {
  const FaceControls controls = clamped(wanted);
  const Head head = framed(speaker, controls, side);
  Canvas canvas(1);
  canvas.set_frame(head.frame);
  const float x = speaker.identity.eye_spacing;
  return {canvas.on_picture(head.on_face(-x, kEyeY)), canvas.on_picture(head.on_face(x, kEyeY)),
          canvas.on_picture(mouth_centre(speaker.identity, head, controls)), head.frame.scale};
}

at::Tensor at_avatar_rate(const at::Tensor& values, int64_t video_frames) {
  const int64_t T = values.size(0), N = values.size(1);
  const at::Tensor source = values.contiguous();
  at::Tensor out = at::empty({video_frames, N}, at::kFloat);
  for (int64_t frame = 0; frame < video_frames; ++frame) {
    const double at =
        std::clamp((static_cast<double>(frame) + 0.5) * 25 / kAvatarFps - 0.5, 0.0, static_cast<double>(T - 1));
    const auto before = static_cast<int64_t>(at), after = std::min(before + 1, T - 1);
    const auto share = static_cast<float>(at - static_cast<double>(before));
    for (int64_t n = 0; n < N; ++n)
      out.data_ptr<float>()[frame * N + n] = (1 - share) * source.const_data_ptr<float>()[before * N + n] +
                                             share * source.const_data_ptr<float>()[after * N + n];
  }
  return out;
}

std::vector<FaceControls> motion_of(const Speaker& speaker, const at::Tensor& mouth, Random& random) {
  const int64_t T = mouth.size(0);
  const FaceControls& portrait = speaker.portrait;
  const std::vector<FaceControls> idle = idle_motion(random, portrait, 2 + T * 25 / kAvatarFps);
  const at::Tensor spoken = mouth.contiguous();
  std::vector<FaceControls> motion;
  for (int64_t t = 0; t < T; ++t) {
    const auto moment = static_cast<std::size_t>((2 * t + 1) * 25 / (2 * kAvatarFps));
    const float share =
        speaker.has_portrait ? std::min(1.0f, static_cast<float>(t) / static_cast<float>(kMoodFrames)) : 1.0f;
    FaceControls c = calmed(idle[moment], portrait);
    for (float FaceControls::*field :
         {&FaceControls::brow, &FaceControls::smile_left, &FaceControls::smile_right, &FaceControls::brow_inner})
      c.*field -= share * portrait.*field;  // its own mood goes as that of the caption comes
    const float* said = spoken.const_data_ptr<float>() + 3 * t;
    c.jaw = said[0], c.width = said[1], c.rounding = said[2];
    const FaceControls gesture = gesture_at(speaker.labels.gesture, static_cast<double>(t) / kAvatarFps);
    c.pitch += share * gesture.pitch, c.yaw += share * gesture.yaw, c.shift_y += share * gesture.shift_y;
    c.gaze_x += share * gesture.gaze_x;
    motion.push_back(in_mood(c, speaker.labels.mood, share));
  }
  if (speaker.has_portrait) motion.front() = portrait;
  return motion;
}

Performance perform(const Speaker& speaker, uint64_t seed, uint64_t index, Split split, int64_t video_frames) {
  Random random(seed ^ 0xac7, index);
  // Three words a second and some more: a clip that begins in mid-sentence has sound to its end.
  const SpeechClip spoken = speak(seed ^ 0xac7, index, split, 4 + 3 * video_frames / kAvatarFps);
  const SpeechClip clip = roughened(cut(spoken, 0, 1 + (video_frames * 25 + kAvatarFps - 1) / kAvatarFps), random);
  Performance performance;
  performance.wave = clip.wave.narrow(0, 0, video_frames * kSamplesPerVideoFrame);
  performance.mouth = at_avatar_rate(clip.mouth, video_frames);
  performance.controls = motion_of(speaker, performance.mouth, random);
  return performance;
}

at::Tensor draw_frames(const Speaker& speaker, const Performance& performance, int64_t first, int64_t count,
                       int64_t side) {
  std::vector<at::Tensor> frames;
  for (int64_t t = first; t < first + count; ++t)
    frames.push_back(draw_speaker(speaker, performance.controls.at(static_cast<std::size_t>(t)), side));
  return at::stack(frames);
}

}  // namespace rushes::training
