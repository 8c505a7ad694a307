#include "rushes/training/wan/world.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "rushes/base/error.h"

namespace rushes::training {
namespace {

constexpr std::array<std::string_view, kShapes> kShapeNames{"circle", "square", "triangle", "star",
                                                            "ring",   "plus",   "heart",    "moon"};
constexpr std::array<std::string_view, kColours> kColourNames{"red",  "orange", "yellow", "green",
                                                              "cyan", "blue",   "purple", "white"};
constexpr std::array<std::string_view, kGrounds> kGroundNames{"black", "grey", "blue", "green",
                                                              "brown", "teal", "pink", "sand"};
constexpr std::array<std::string_view, kMotions> kMotionNames{
    "left",   "right", "up",     "down",  "up_left", "up_right", "down_left", "down_right", "still", "grow",
    "shrink", "spin",  "bounce", "orbit", "vanish",  "appear",   "crossing",  "beside",     "above"};

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

struct Pose {
  double x, y, radius, angle, opacity;
};

// There and back again between `low` and `high`, from `start` on at `travelled` without a rim.
double reflected(double start, double travelled, double low, double high) {
  if (high <= low) return (low + high) / 2;
  const double span = high - low;
  double along = std::fmod(start - low + travelled, 2 * span);
  if (along < 0) along += 2 * span;
  return low + (along <= span ? along : 2 * span - along);
}

// Where an object is after `t` seconds, in a picture whose sides are `wide` and `high` times the shorter one.
Pose pose(const Object& object, double t, double wide, double high) {
  Pose p{object.x, object.y, object.radius, object.angle + object.spin * t, 1.0};
  const double reach = object.radius * shape_reach(object.shape);
  if (object.velocity_x != 0) p.x = reflected(object.x, object.velocity_x * t, reach / wide, 1 - reach / wide);
  if (object.velocity_y != 0) p.y = reflected(object.y, object.velocity_y * t, reach / high, 1 - reach / high);
  switch (object.motion) {
    case Motion::grow: p.radius *= 1 + 1.2 * (1 - std::exp(-object.rate * t)); break;
    case Motion::shrink: p.radius *= 0.4 + 0.6 * std::exp(-object.rate * t); break;
    case Motion::bounce:
      // Never up to the upper rim, where something that moves up would turn back too.
      p.y = object.y -
            std::min(0.36, 0.8 - 2 * object.radius) * std::abs(std::sin(std::numbers::pi * object.rate * t + 0.6));
      break;
    case Motion::orbit: {
      const double angle = (4 * object.rate + 0.6) * t - std::numbers::pi / 2;
      p.x = object.x + 0.22 * std::cos(angle) / wide;
      p.y = object.y + 0.22 * std::sin(angle) / high;
      break;
    }
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

void paint(const Canvas& canvas, const Object& object, double t) {
  const double side = static_cast<double>(std::min(canvas.height, canvas.width));
  const auto height = static_cast<double>(canvas.height), width = static_cast<double>(canvas.width);
  const Pose p = pose(object, t, width / side, height / side);
  const double radius = p.radius * side, reach = radius * 1.25 + 1;
  const double cx = p.x * width, cy = p.y * height;
  const auto cosine = static_cast<float>(std::cos(p.angle)), sine = static_cast<float>(std::sin(p.angle));
  const Rgb ink = rgb(object.colour);
  const auto top = std::max<int64_t>(0, static_cast<int64_t>(cy - reach));
  const auto bottom = std::min<int64_t>(canvas.height, static_cast<int64_t>(cy + reach + 1));
  const auto left = std::max<int64_t>(0, static_cast<int64_t>(cx - reach));
  const auto right = std::min<int64_t>(canvas.width, static_cast<int64_t>(cx + reach + 1));
  for (int64_t y = top; y < bottom; ++y)
    for (int64_t x = left; x < right; ++x) {
      const auto dx = static_cast<float>((static_cast<double>(x) + 0.5 - cx) / radius);
      const auto dy = static_cast<float>((static_cast<double>(y) + 0.5 - cy) / radius);
      const float d = shape_distance(object.shape, cosine * dx + sine * dy, cosine * dy - sine * dx);
      const auto cover = std::clamp(0.5f - d * static_cast<float>(radius), 0.0f, 1.0f) * static_cast<float>(p.opacity);
      if (cover <= 0) continue;
      for (int c = 0; c < 3; ++c) {
        float& pixel = canvas.plane[c][y * canvas.width + x];
        pixel += cover * (ink[static_cast<std::size_t>(c)] - pixel);
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

// Colours that nobody could tell apart by name, or a turn that nobody could see, are not.
bool sensible(const Labels& labels) {
  if (name(labels.colour) == name(labels.ground)) return false;
  if (labels.colour == Colour::cyan && labels.ground == Ground::teal) return false;
  if (labels.colour == Colour::yellow && labels.ground == Ground::sand) return false;
  if (labels.colour == Colour::white && labels.ground == Ground::pink) return false;
  const bool round = shape_period(labels.shape) == 0;
  return !round || (labels.motion != Motion::spin && !labels.tilted);
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
  constexpr std::array<int, kMotions> weights{10, 10, 9, 9, 3, 3, 3, 3, 7, 5, 5, 6, 6, 4, 2, 2, 6, 5, 3};
  int64_t left = random.below(std::accumulate(weights.begin(), weights.end(), 0));
  for (int i = 0; i < kMotions; ++i)
    if ((left -= weights[static_cast<std::size_t>(i)]) < 0) return static_cast<Motion>(i);
  return Motion::left;
}

// Upright within what a drawing hand would allow, or clearly not.
double angle_of(const Labels& labels, Random& random) {
  if (labels.motion == Motion::spin) return random.uniform(0, 2 * std::numbers::pi);
  return labels.tilted ? random.uniform(0.36, 0.5) : random.uniform(-0.05, 0.05);
}

Object make_object(const Labels& labels, Random& random) {
  Object object{};
  object.shape = labels.shape;
  object.colour = labels.colour;
  object.motion = labels.motion;
  constexpr std::array<double, kExtents> radii{0.12, 0.18, 0.24};
  constexpr std::array<double, kPaces> speeds{0.16, 0.3, 0.5};
  const double speed = speeds[static_cast<std::size_t>(labels.pace)] * random.uniform(0.92, 1.08);
  object.radius = static_cast<float>(radii[static_cast<std::size_t>(labels.extent)] * random.uniform(0.94, 1.06));
  const Unit to = direction(labels.motion);
  // Starts behind the middle, so that a short clip shows the object going through it; about where its caption says,
  // since a place that nothing tells has to be guessed, and few steps guess badly.
  object.x = static_cast<float>(0.5 - 0.2 * to.x + random.uniform(-0.06, 0.06));
  object.y = static_cast<float>(0.5 - 0.2 * to.y + random.uniform(-0.06, 0.06));
  object.angle = static_cast<float>(angle_of(labels, random));
  object.tilted = labels.tilted;
  object.velocity_x = static_cast<float>(to.x * speed);
  object.velocity_y = static_cast<float>(to.y * speed);
  object.rate = static_cast<float>(speed * 3);
  if (labels.motion == Motion::spin) object.spin = static_cast<float>(speed * 7);
  if (labels.motion == Motion::grow) {  // stays within the picture at its full size
    object.radius *= 0.7f;
    object.x = object.y = 0.5f;
  }
  if (labels.motion == Motion::shrink) object.radius *= 1.3f;
  if (labels.motion == Motion::bounce) object.y = static_cast<float>(0.94 - object.radius);
  return object;
}

// Two objects that never touch.
void place_pair(Motion motion, Object& first, Object& second, Random& random) {
  for (Object* object : {&first, &second}) object->radius = std::min(object->radius, 0.16f);
  const auto apart = static_cast<float>(random.uniform(0.22, 0.26));
  switch (motion) {
    case Motion::crossing:
      first.x = static_cast<float>(random.uniform(0.2, 0.26));
      first.y = apart;
      first.velocity_x = first.rate / 3;
      second.velocity_x = -first.velocity_x;
      second.x = 1 - first.x;
      second.y = 1 - first.y;
      break;
    case Motion::beside:
      first.x = apart;
      second.x = 1 - apart;
      break;
    default:
      first.y = apart;
      second.y = 1 - apart;
      break;
  }
}

}  // namespace

std::string_view name(Shape shape) { return kShapeNames[static_cast<std::size_t>(shape)]; }
std::string_view name(Colour colour) { return kColourNames[static_cast<std::size_t>(colour)]; }
std::string_view name(Ground ground) { return kGroundNames[static_cast<std::size_t>(ground)]; }
std::string_view name(Motion motion) { return kMotionNames[static_cast<std::size_t>(motion)]; }
Rgb rgb(Colour colour) { return kColourRgb[static_cast<std::size_t>(colour)]; }
Rgb rgb(Ground ground) { return kGroundRgb[static_cast<std::size_t>(ground)]; }

Scene make_scene(uint64_t seed, uint64_t index, Split split) {
  Random random(seed, index);
  Scene scene{};
  Labels& labels = scene.labels;
  do {
    labels.shape = static_cast<Shape>(random.below(kShapes));
    labels.colour = static_cast<Colour>(random.below(kColours));
    labels.ground = static_cast<Ground>(random.below(kGrounds));
    labels.motion = pick_motion(random);
    labels.tilted = random.below(6) == 0 && labels.motion != Motion::spin;
  } while (!sensible(labels) || is_held_out(labels) != (split == Split::held_out));
  labels.pace = static_cast<Pace>(random.below(kPaces));
  labels.extent = static_cast<Extent>(random.below(kExtents));
  if (is_pair(labels.motion) && labels.extent == Extent::large) labels.extent = Extent::medium;
  scene.gradient = random.below(4) == 0;
  scene.gradient_angle = static_cast<float>(random.below(4)) * (std::numbers::pi_v<float> / 2);
  scene.objects.push_back(make_object(labels, random));
  if (is_pair(labels.motion)) {
    Labels other = labels;
    other.extent = Extent::medium;
    do {
      other.colour = static_cast<Colour>(random.below(kColours));
      other.shape = static_cast<Shape>(random.below(kShapes));
      other.tilted = random.below(6) == 0;
    } while (other.colour == labels.colour || !sensible(other));
    scene.objects.push_back(make_object(other, random));
    place_pair(labels.motion, scene.objects[0], scene.objects[1], random);
  }
  const Object* second = scene.objects.size() > 1 ? &scene.objects[1] : nullptr;
  scene.caption = make_caption(labels, scene.gradient, second, random.next());
  return scene;
}

Place place(const Object& object, int64_t video_frame, int64_t height, int64_t width) {
  const auto side = static_cast<double>(std::min(height, width)), high = static_cast<double>(height),
             wide = static_cast<double>(width);
  const Pose p = pose(object, static_cast<double>(video_frame) / kVideoFps, wide / side, high / side);
  return {p.x * wide, p.y * high, p.radius * side};
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
    for (const Object& object : scene.objects) paint(canvas, object, static_cast<double>(first + i) / kVideoFps);
  }
  return frames;
}

}  // namespace rushes::training
