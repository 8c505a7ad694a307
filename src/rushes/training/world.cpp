#include "rushes/training/world.h"

#include <cmath>
#include <numbers>

#include "rushes/base/error.h"

namespace rushes::training {
namespace {

constexpr std::array<std::string_view, kShapes> kShapeNames{"circle", "square", "triangle", "star", "ring", "plus"};
constexpr std::array<std::string_view, kColours> kColourNames{"red",  "orange", "yellow", "green",
                                                              "cyan", "blue",   "purple", "white"};
constexpr std::array<std::string_view, kGrounds> kGroundNames{"black", "grey", "blue", "green",
                                                              "brown", "teal", "pink", "sand"};
constexpr std::array<std::string_view, kMotions> kMotionNames{
    "left", "right",  "up",   "down",   "up_left",  "up_right", "down_left", "down_right",
    "grow", "shrink", "spin", "bounce", "crossing", "vanish",   "appear"};

// Grounds are dark or pale, objects saturated or white: any two entries are at least 30 apart in CIELAB.
constexpr std::array<Rgb, kColours> kColourRgb{{{0.90f, 0.12f, 0.14f},
                                                {0.98f, 0.55f, 0.08f},
                                                {0.99f, 0.90f, 0.15f},
                                                {0.20f, 0.80f, 0.25f},
                                                {0.20f, 0.88f, 0.95f},
                                                {0.16f, 0.36f, 0.98f},
                                                {0.64f, 0.22f, 0.86f},
                                                {0.98f, 0.98f, 0.98f}}};
constexpr std::array<Rgb, kGrounds> kGroundRgb{{{0.05f, 0.05f, 0.06f},
                                                {0.50f, 0.50f, 0.52f},
                                                {0.06f, 0.10f, 0.40f},
                                                {0.06f, 0.32f, 0.14f},
                                                {0.40f, 0.24f, 0.13f},
                                                {0.05f, 0.42f, 0.44f},
                                                {0.95f, 0.68f, 0.76f},
                                                {0.80f, 0.73f, 0.55f}}};

struct Unit {
  double x, y;
};

Unit direction(Motion motion) {
  constexpr double d = std::numbers::sqrt2 / 2;
  switch (motion) {
    case Motion::left: return {-1, 0};
    case Motion::right: return {1, 0};
    case Motion::up: return {0, -1};
    case Motion::down: return {0, 1};
    case Motion::up_left: return {-d, -d};
    case Motion::up_right: return {d, -d};
    case Motion::down_left: return {-d, d};
    case Motion::down_right: return {d, d};
    default: return {0, 0};
  }
}

// Signed distances in units of the shape's radius, negative inside (formulas: I. Quilez, "2D distance functions").
float circle_distance(float x, float y) { return std::sqrt(x * x + y * y) - 0.9f; }
float ring_distance(float x, float y) { return std::abs(std::sqrt(x * x + y * y) - 0.72f) - 0.24f; }
float box_distance(float x, float y, float half_width, float half_height) {
  const float dx = std::abs(x) - half_width, dy = std::abs(y) - half_height;
  return std::hypot(std::max(dx, 0.0f), std::max(dy, 0.0f)) + std::min(std::max(dx, dy), 0.0f);
}
float triangle_distance(float x, float y) {
  constexpr float k = std::numbers::sqrt3_v<float>, r = 0.95f;
  y = -y + 0.12f;
  x = std::abs(x) - r;
  y = y + r / k;
  if (x + k * y > 0) {
    const float turned = (x - k * y) / 2;
    y = (-k * x - y) / 2;
    x = turned;
  }
  x -= std::clamp(x, -2 * r, 0.0f);
  return -std::hypot(x, y) * (y > 0 ? 1.0f : -1.0f);
}
float star_distance(float x, float y) {
  // Five-fold symmetry: fold the angle into one sector, then the distance to the edge between tip and notch.
  constexpr float tip = 1.1f, notch = 0.46f, sector = std::numbers::pi_v<float> / 5;
  float angle = std::atan2(x, -y);
  angle = std::abs(std::remainder(angle, 2 * sector));
  const float r = std::hypot(x, y);
  const float px = r * std::cos(angle), py = r * std::sin(angle);
  const float nx = notch * std::cos(sector), ny = notch * std::sin(sector);
  const float ex = nx - tip, ey = ny;
  const float h = std::clamp(((px - tip) * ex + py * ey) / (ex * ex + ey * ey), 0.0f, 1.0f);
  const float dx = px - tip - h * ex, dy = py - h * ey;
  const float side = ex * py - ey * (px - tip);
  return std::hypot(dx, dy) * (side > 0 ? -1.0f : 1.0f);
}

float distance(Shape shape, float x, float y) {
  switch (shape) {
    case Shape::circle: return circle_distance(x, y);
    case Shape::square: return box_distance(x, y, 0.8f, 0.8f);
    case Shape::triangle: return triangle_distance(x, y);
    case Shape::star: return star_distance(x, y);
    case Shape::ring: return ring_distance(x, y);
    case Shape::plus: return std::min(box_distance(x, y, 0.95f, 0.32f), box_distance(x, y, 0.32f, 0.95f));
  }
  return 1;
}

struct Pose {
  double x, y, radius, angle, opacity;
};

// Where an object is after `t` seconds. Position runs on without bound; drawing wraps it.
Pose pose(const Object& object, double t) {
  Pose p{object.x + object.velocity_x * t, object.y + object.velocity_y * t, object.radius,
         object.angle + object.spin * t, 1.0};
  switch (object.motion) {
    case Motion::grow: p.radius *= 1 + 1.2 * (1 - std::exp(-object.rate * t)); break;
    case Motion::shrink: p.radius *= 0.4 + 0.6 * std::exp(-object.rate * t); break;
    case Motion::bounce: p.y = object.y - 0.42 * std::abs(std::sin(std::numbers::pi * object.rate * t + 0.6)); break;
    // Gone and back again in turn, so that a long video keeps doing what its caption says.
    case Motion::vanish:
      p.opacity = std::clamp(0.5 + 1.6 * std::cos(std::numbers::pi * object.rate * t), 0.0, 1.0);
      break;
    case Motion::appear:
      p.opacity = std::clamp(0.5 - 1.6 * std::cos(std::numbers::pi * object.rate * t), 0.0, 1.0);
      break;
    default: break;
  }
  return p;
}

struct Canvas {
  float* plane[3];
  int64_t height, width;
};

void paint(const Canvas& canvas, const Object& object, const Pose& p) {
  const double side = static_cast<double>(std::min(canvas.height, canvas.width));
  const auto height = static_cast<double>(canvas.height), width = static_cast<double>(canvas.width);
  const double radius = p.radius * side, reach = radius * 1.25 + 1;
  const double cx = (p.x - std::floor(p.x)) * width, cy = (p.y - std::floor(p.y)) * height;
  const auto cosine = static_cast<float>(std::cos(p.angle)), sine = static_cast<float>(std::sin(p.angle));
  const Rgb ink = rgb(object.colour);
  for (int wrap_y = -1; wrap_y <= 1; ++wrap_y)
    for (int wrap_x = -1; wrap_x <= 1; ++wrap_x) {
      const double x0 = cx + wrap_x * width, y0 = cy + wrap_y * height;
      const auto top = std::max<int64_t>(0, static_cast<int64_t>(y0 - reach));
      const auto bottom = std::min<int64_t>(canvas.height, static_cast<int64_t>(y0 + reach + 1));
      const auto left = std::max<int64_t>(0, static_cast<int64_t>(x0 - reach));
      const auto right = std::min<int64_t>(canvas.width, static_cast<int64_t>(x0 + reach + 1));
      for (int64_t y = top; y < bottom; ++y)
        for (int64_t x = left; x < right; ++x) {
          const auto dx = static_cast<float>((static_cast<double>(x) + 0.5 - x0) / radius);
          const auto dy = static_cast<float>((static_cast<double>(y) + 0.5 - y0) / radius);
          const float d = distance(object.shape, cosine * dx + sine * dy, cosine * dy - sine * dx);
          const auto cover =
              std::clamp(0.5f - d * static_cast<float>(radius), 0.0f, 1.0f) * static_cast<float>(p.opacity);
          if (cover <= 0) continue;
          for (int c = 0; c < 3; ++c) {
            float& pixel = canvas.plane[c][y * canvas.width + x];
            pixel += cover * (ink[static_cast<std::size_t>(c)] - pixel);
          }
        }
    }
}

void fill_ground(const Canvas& canvas, const Scene& scene) {
  const Rgb base = rgb(scene.labels.ground);
  const float gx = std::cos(scene.gradient_angle), gy = std::sin(scene.gradient_angle);
  for (int64_t y = 0; y < canvas.height; ++y)
    for (int64_t x = 0; x < canvas.width; ++x) {
      float light = 0;
      if (scene.gradient)
        light = 0.09f * (gx * (2 * static_cast<float>(x) / static_cast<float>(canvas.width) - 1) +
                         gy * (2 * static_cast<float>(y) / static_cast<float>(canvas.height) - 1));
      for (int c = 0; c < 3; ++c)
        canvas.plane[c][y * canvas.width + x] = std::clamp(base[static_cast<std::size_t>(c)] + light, 0.0f, 1.0f);
    }
}

// A pair that nobody could tell apart by name, or a spin that nobody could see.
bool sensible(const Labels& labels) {
  if (name(labels.colour) == name(labels.ground)) return false;
  if (labels.colour == Colour::cyan && labels.ground == Ground::teal) return false;
  if (labels.colour == Colour::yellow && labels.ground == Ground::sand) return false;
  if (labels.colour == Colour::white && labels.ground == Ground::pink) return false;
  return labels.motion != Motion::spin || (labels.shape != Shape::circle && labels.shape != Shape::ring);
}

bool is_held_out(const Labels& labels) {
  const auto code =
      ((static_cast<uint64_t>(labels.shape) * kColours + static_cast<uint64_t>(labels.colour)) * kGrounds +
       static_cast<uint64_t>(labels.ground)) *
          kMotions +
      static_cast<uint64_t>(labels.motion);
  return Random(code, 0x5eed).next() % 10 == 0;
}

Motion pick_motion(Random& random) {
  // Directions are what people ask for most and what is hardest to learn.
  constexpr std::array<int, kMotions> weights{13, 13, 11, 11, 4, 4, 4, 4, 7, 7, 6, 6, 5, 3, 2};
  int64_t left = random.below(100);
  for (int i = 0; i < kMotions; ++i)
    if ((left -= weights[static_cast<std::size_t>(i)]) < 0) return static_cast<Motion>(i);
  return Motion::left;
}

Object make_object(const Labels& labels, Random& random) {
  Object object{};
  object.shape = labels.shape;
  object.colour = labels.colour;
  object.motion = labels.motion;
  constexpr std::array<double, kExtents> radii{0.13, 0.19, 0.26};
  constexpr std::array<double, kPaces> speeds{0.16, 0.32, 0.56};
  const double speed = speeds[static_cast<std::size_t>(labels.pace)] * random.uniform(0.92, 1.08);
  object.radius = static_cast<float>(radii[static_cast<std::size_t>(labels.extent)] * random.uniform(0.94, 1.06));
  const Unit to = direction(labels.motion);
  // Starts behind the middle, so that a short clip shows the object going through it.
  object.x = static_cast<float>(0.5 - 0.16 * to.x + random.uniform(-0.12, 0.12));
  object.y = static_cast<float>(0.5 - 0.16 * to.y + random.uniform(-0.12, 0.12));
  object.velocity_x = static_cast<float>(to.x * speed);
  object.velocity_y = static_cast<float>(to.y * speed);
  object.rate = static_cast<float>(speed * 3);
  if (labels.motion == Motion::spin) object.spin = static_cast<float>(speed * 7);
  if (labels.motion == Motion::grow) object.radius *= 0.75f;
  if (labels.motion == Motion::shrink) object.radius *= 1.3f;
  if (labels.motion == Motion::bounce) object.y = static_cast<float>(0.92 - object.radius);
  return object;
}

}  // namespace

std::string_view name(Shape shape) { return kShapeNames[static_cast<std::size_t>(shape)]; }
std::string_view name(Colour colour) { return kColourNames[static_cast<std::size_t>(colour)]; }
std::string_view name(Ground ground) { return kGroundNames[static_cast<std::size_t>(ground)]; }
std::string_view name(Motion motion) { return kMotionNames[static_cast<std::size_t>(motion)]; }
Rgb rgb(Colour colour) { return kColourRgb[static_cast<std::size_t>(colour)]; }
Rgb rgb(Ground ground) { return kGroundRgb[static_cast<std::size_t>(ground)]; }

Random::Random(uint64_t seed, uint64_t stream)
    : state_(seed * 0x9e3779b97f4a7c15ull ^ (stream + 1) * 0xd1342543de82ef95ull) {
  next();
}

uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15ull;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

double Random::uniform(double low, double high) {
  return low + (high - low) * (static_cast<double>(next() >> 11) * 0x1.0p-53);
}

int64_t Random::below(int64_t bound) { return static_cast<int64_t>(next() % static_cast<uint64_t>(bound)); }

Scene make_scene(uint64_t seed, uint64_t index, Split split) {
  Random random(seed, index);
  Scene scene{};
  Labels& labels = scene.labels;
  do {
    labels.shape = static_cast<Shape>(random.below(kShapes));
    labels.colour = static_cast<Colour>(random.below(kColours));
    labels.ground = static_cast<Ground>(random.below(kGrounds));
    labels.motion = pick_motion(random);
  } while (!sensible(labels) || is_held_out(labels) != (split == Split::held_out));
  labels.pace = static_cast<Pace>(random.below(kPaces));
  labels.extent = static_cast<Extent>(random.below(kExtents));
  if (labels.motion == Motion::crossing && labels.extent == Extent::large) labels.extent = Extent::medium;
  scene.gradient = random.below(4) == 0;
  scene.gradient_angle = static_cast<float>(random.below(4)) * (std::numbers::pi_v<float> / 2);
  scene.objects.push_back(make_object(labels, random));
  if (labels.motion == Motion::crossing) {
    Labels other = labels;
    do {
      other.colour = static_cast<Colour>(random.below(kColours));
      other.shape = static_cast<Shape>(random.below(kShapes));
    } while (other.colour == labels.colour || !sensible(other));
    Object& first = scene.objects.front();
    Object second = make_object(other, random);
    const float speed = first.rate / 3;
    first.x = static_cast<float>(random.uniform(0.12, 0.3));
    second.x = 1 - first.x;
    first.y = static_cast<float>(random.uniform(0.28, 0.42));
    second.y = 1 - first.y;
    first.velocity_x = speed;
    second.velocity_x = -speed;
    scene.objects.push_back(second);
  }
  const Object* second = scene.objects.size() > 1 ? &scene.objects[1] : nullptr;
  scene.caption = make_caption(labels, scene.gradient, second, random.next());
  return scene;
}

at::Tensor draw(const Scene& scene, int64_t first, int64_t video_frames, int64_t height, int64_t width) {
  require(video_frames > 0 && height >= 8 && width >= 8, ErrorCode::invalid_argument,
          "a clip of {} video frames of {}x{}: need at least 1 and 8x8", video_frames, height, width);
  at::Tensor frames = at::empty({video_frames, 3, height, width}, at::kFloat);
  auto* pixels = frames.mutable_data_ptr<float>();
  const int64_t plane = height * width;
  // The ground stands still: filled once, copied, then every picture's objects on top.
  fill_ground({{pixels, pixels + plane, pixels + 2 * plane}, height, width}, scene);
  for (int64_t i = 1; i < video_frames; ++i) std::copy_n(pixels, 3 * plane, pixels + i * 3 * plane);
  for (int64_t i = 0; i < video_frames; ++i) {
    float* picture = pixels + i * 3 * plane;
    const Canvas canvas{{picture, picture + plane, picture + 2 * plane}, height, width};
    for (const Object& object : scene.objects)
      paint(canvas, object, pose(object, static_cast<double>(first + i) / kVideoFps));
  }
  return frames;
}

}  // namespace rushes::training
