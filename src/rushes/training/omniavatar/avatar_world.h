// The procedural world of the shipped avatar: drawn speakers from head to chest, in clothes, before a ground, in a
// mood, with captions from a small grammar and the speech that moves their mouths. Everything follows from (seed,
// index).
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/known_words.h"
#include "rushes/training/face_world/face_world.h"
#include "rushes/training/random.h"

namespace rushes::training {

constexpr int64_t kAvatarSide = 96;              // pixels
constexpr int64_t kAvatarFps = 16;               // video frames per second
constexpr int64_t kSamplesPerVideoFrame = 1000;  // of speech, 16 kHz

// What captions say.
enum class Noun : int8_t { man, woman, person };
enum class Skin : int8_t { light, tan, dark };
enum class Hair : int8_t { black, brown, blond, red, grey, purple };
enum class Cut : int8_t { bald, close, long_hair, curly };
enum class Garment : int8_t { t_shirt, shirt, suit, sweater };
enum class Cloth : int8_t { red, orange, yellow, green, blue, purple, white, black };
enum class Wall : int8_t { grey, blue, green, brown, pink, teal, sand, violet };
enum class Mood : int8_t { calm, happy, sad, angry, surprised };
enum class Gesture : int8_t { still, nodding, shaking, looking_left, looking_right };  // left and right of the picture
enum class Framing : int8_t { near, half };                                            // head; head and shoulders

constexpr int kNouns = 3, kSkins = 3, kHairs = 6, kCuts = 4, kGarments = 4, kCloths = 8, kWalls = 8, kMoods = 5,
              kGestures = 5, kFramings = 2;

struct SpeakerLabels {
  Noun noun;
  Skin skin;
  Hair hair;
  Cut cut;
  bool beard, glasses;
  Garment garment;
  Cloth cloth;
  Wall wall;
  Mood mood;
  Gesture gesture;
  Framing framing;
};

Rgb rgb(Hair hair);
Rgb rgb(Cloth cloth);
Rgb rgb(Wall wall);

/// Who it is, what it wears, where and how it speaks.
struct Speaker {
  SpeakerLabels labels;
  Identity identity;  // in the colours and with the hair of the labels
  /// With a portrait the mood and the gesture begin after it, from whatever it shows; without one they are there from
  /// the first frame.
  bool has_portrait;
  FaceControls portrait;  // of the first frame; without a portrait: around which the head moves
  std::string caption;
};

/// The speaker number `index` of a seed. Held-out ones have other faces, and combinations of hair, clothes, ground and
/// mood that training never shows. Any thread.
Speaker make_speaker(uint64_t seed, uint64_t index, Split split);
/// A caption of `labels` in one of its wordings; with a portrait it may leave out what that shows.
std::string speaker_caption(const SpeakerLabels& labels, bool has_portrait, uint64_t variant);
/// Of all captions.
KnownWords speaker_words();

/// The same face in the plain colours and with the hair of other labels.
Speaker dressed_as(const Speaker& speaker, const SpeakerLabels& labels);

/// [3, side, side] float32 in [0, 1]. Any thread.
at::Tensor draw_speaker(const Speaker& speaker, const FaceControls& controls, int64_t side = kAvatarSide);

/// Where eyes (left, right) and mouth are, in pixels, and the pixels of a head unit.
struct FacePlaces {
  Point left_eye, right_eye, mouth;
  float unit;
};
FacePlaces face_places(const Speaker& speaker, const FaceControls& controls, int64_t side = kAvatarSide);

/// A mood's brows and corners of the mouth added to what moves already, times `share`.
FaceControls in_mood(const FaceControls& controls, Mood mood, float share = 1);
/// What `gesture` adds at a moment of the video.
FaceControls gesture_at(Gesture gesture, double seconds);

struct Performance {
  std::vector<FaceControls> controls;  // of each video frame; [0] is the portrait where there is one
  at::Tensor wave;                     // [T kSamplesPerVideoFrame] float32
  at::Tensor mouth;                    // [T, 3]: jaw, width and rounding of the speech
};
/// What a speaker says in `video_frames` and how that looks; voices of held_out are not used in training. One at a time
/// (espeak-ng).
Performance perform(const Speaker& speaker, uint64_t seed, uint64_t index, Split split, int64_t video_frames);
/// The same of given speech: mouth [T, 3] at kAvatarFps.
std::vector<FaceControls> motion_of(const Speaker& speaker, const at::Tensor& mouth, Random& random);
/// Values at 25 per second, each of the middle of its frame, taken at the middles of kAvatarFps: [T, N] to
/// [video_frames, N].
at::Tensor at_avatar_rate(const at::Tensor& values, int64_t video_frames);

/// The frames [first, first + count) of a performance: [count, 3, side, side].
at::Tensor draw_frames(const Speaker& speaker, const Performance& performance, int64_t first, int64_t count,
                       int64_t side = kAvatarSide);

}  // namespace rushes::training
