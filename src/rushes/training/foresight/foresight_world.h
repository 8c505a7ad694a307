// The procedural world of the shipped Foresight model: still pictures of coloured shapes with a cue of what comes next
// (an arrow, a trail, a height above a floor), a question, the answer in words, and the film of what happens.
// Everything follows from (seed, index, split).
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/known_words.h"
#include "rushes/training/random.h"
#include "rushes/training/wan/world.h"

namespace rushes::training {

constexpr int64_t kForesightSide = 128;        // pixels of a picture
constexpr int64_t kForesightFps = 15;          // video frames per second
constexpr int64_t kForesightVideoFrames = 33;  // of a clip
constexpr int64_t kCueVideoFrames = 8;         // within which a cue fades: the film goes on without it

/// What the picture tells.
enum class Cue : int8_t {
  none,
  arrow,  // beside the shape, the way it will go; between two shapes: the first will hit the second
  trail,  // behind the shape: it goes on
  floor,  // below the shape: it falls
  curve   // a curved arrow around the shape: it spins
};
/// What happens. To the picture's left, right, upper and lower rim, where it would turn back.
enum class Outcome : int8_t { left, right, up, down, fall, spin, hit, stay };
constexpr int kCues = 5, kOutcomes = 8;
inline constexpr std::array kForesightShapes{Shape::circle, Shape::square, Shape::triangle,
                                             Shape::star,   Shape::ring,   Shape::heart};

std::string_view name(Cue cue);
std::string_view name(Outcome outcome);

struct Thing {
  Shape shape;  // one of kForesightShapes
  Colour colour;
  bool operator==(const Thing&) const = default;
};

struct ForesightLabels {
  std::vector<Thing> things;  // one or two; of two the first hits, or stands left of or above the other
  Ground ground;
  std::optional<Ground> floor;  // with Cue::floor
  Cue cue;
  Outcome outcome;
  bool instructed;  // the outcome is what the question says; the picture has no cue
};

/// One shape of the picture. Lengths are fractions of the picture's side.
struct Body {
  Thing thing;
  double radius, x, y;  // at the beginning
};

struct ForesightScene {
  ForesightLabels labels;
  std::vector<Body> bodies;  // those of labels.things
  Outcome way;               // left to down, of outcomes that have one; of a hit, the way of both
  std::string question, answer;
};

/// The scene number `index` of a seed. Combinations (shape, colour, outcome) of the first thing belong to one split
/// only, about one in ten to held_out. The same on every machine. Any thread.
ForesightScene make_foresight_scene(uint64_t seed, uint64_t index, Split split);

/// Video frames [T, 3, H, W] float32 in [0, 1], `video_frames` of them from `first` on; frame 0 is the picture. Where
/// height and width differ, the scene is in the middle. Any thread.
at::Tensor draw(const ForesightScene& scene, int64_t first, int64_t video_frames, int64_t height = kForesightSide,
                int64_t width = kForesightSide);

/// The picture as files have it: [H, W, 3] uint8.
at::Tensor foresight_picture(const ForesightScene& scene, int64_t side = kForesightSide);

/// Where the middle of a body is in a video frame, how far it is turned (radians, clockwise), and its size, in pixels
/// of a square picture.
struct BodyPlace {
  double x, y, angle, radius;
};
BodyPlace place(const ForesightScene& scene, std::size_t body, int64_t video_frame, int64_t side = kForesightSide);

/// The height at which the floor begins, as a fraction of the side.
constexpr double kFloorTop = 0.84;

// ---- words ----------------------------------------------------------------------------------------------------------

/// A question about a picture and its answer, in one of the wordings. The wording of an answer follows that of its
/// question; an answer has at most 30 words.
struct ForesightWords {
  std::string question, answer;
};
ForesightWords make_foresight_words(const ForesightLabels& labels, Random& random);
/// Of all questions, and then of all answers.
KnownWords foresight_known_words();

/// What an answer says, as far as it says it.
struct AnswerReading {
  std::vector<Thing> things;  // in the order in which they are first named, each once
  std::optional<Ground> ground, floor;
  std::optional<Outcome> outcome;
};
/// Of any text: what is not of the grammar is passed over.
AnswerReading read_answer(std::string_view text);

}  // namespace rushes::training
