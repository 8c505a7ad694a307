// The procedural world of the shipped text-to-video model: flat coloured shapes that move over coloured grounds, with
// captions from a small grammar. Everything follows from (seed, index); motions go on for as long as the video does:
// what reaches the rim turns back.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/known_words.h"
#include "rushes/training/random.h"
#include "rushes/training/wan/shapes.h"

namespace rushes::training {

enum class Colour : int8_t { red, orange, yellow, green, cyan, blue, purple, white };
enum class Ground : int8_t { black, grey, blue, green, brown, teal, pink, sand };
enum class Motion : int8_t {
  left,
  right,
  up,
  down,
  up_left,
  up_right,
  down_left,
  down_right,
  still,
  grow,
  shrink,
  spin,
  bounce,
  orbit,
  vanish,
  appear,
  crossing,  // from here on: two objects
  beside,    // the first one left of the second, both still
  above
};
enum class Pace : int8_t { slow, medium, fast };
enum class Extent : int8_t { small, medium, large };

constexpr int kColours = 8, kGrounds = 8, kMotions = 19, kPaces = 3, kExtents = 3;
constexpr int kDirections = 8;  // Motion::left .. Motion::down_right
constexpr bool is_pair(Motion motion) { return motion >= Motion::crossing; }
constexpr double kVideoFps = 16;

std::string_view name(Shape shape);
std::string_view name(Colour colour);
std::string_view name(Ground ground);
std::string_view name(Motion motion);

using Rgb = std::array<float, 3>;  // sRGB, 0..1
Rgb rgb(Colour colour);
Rgb rgb(Ground ground);

/// What a caption says; the truth that fidelity checks are held against. Of a pair: the first object.
struct Labels {
  Shape shape;
  Colour colour;
  Ground ground;
  Motion motion;
  Pace pace;
  Extent extent;
  bool tilted;
};

/// One moving shape. Lengths are fractions of the picture's side, times are seconds.
struct Object {
  Shape shape;
  Colour colour;
  Motion motion;
  float radius, x, y, velocity_x, velocity_y, angle, spin, rate;
  bool tilted;
};

struct Scene {
  Labels labels;
  bool gradient;
  float gradient_angle;
  std::vector<Object> objects;
  std::string caption;
};

/// The scene number `index` of a seed. Combinations (shape, colour, ground, motion) belong to one split only, about one
/// in ten to held_out. Deterministic on every machine. Any thread.
Scene make_scene(uint64_t seed, uint64_t index, Split split);

/// A caption of the labels in one of the grammar's wordings, chosen by `variant`; for pairs `second` is the other one.
std::string make_caption(const Labels& labels, bool gradient, const Object* second, uint64_t variant);
/// Of all captions.
KnownWords caption_words();

/// Video frames [T, 3, H, W] float32 in [0, 1] of `video_frames` pictures from `first` on at 16 per second. Any thread.
at::Tensor draw(const Scene& scene, int64_t first, int64_t video_frames, int64_t height, int64_t width);

/// Middle and size of an object in video frame `video_frame`, in pixels of a picture.
struct Place {
  double x, y, radius;
};
Place place(const Object& object, int64_t video_frame, int64_t height, int64_t width);

}  // namespace rushes::training
