#include "rushes/training/foresight/foresight_world.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr std::array<std::string_view, kCues> kCueNames{"none", "arrow", "trail", "floor", "curve"};
constexpr std::array<std::string_view, kOutcomes> kOutcomeNames{"left", "right", "up",  "down",
                                                                "fall", "spin",  "hit", "stay"};

// Sides and seconds. A slide takes a clip's length from one rim to the other; a fall is on the floor after 0.6 s and
// has bounced twice or three times at the end.
constexpr double kSlideSpeed = 0.26, kHitSpeed = 0.36, kGravity = 2.4, kRestitution = 0.6, kTurnSpeed = 2.4,
                 kPushedAway = 0.25, kFriction = 0.35;
constexpr double kArrowLength = 0.17, kStroke = 0.028, kHead = 0.06, kTrailLength = 0.24;
constexpr double kCueReach = 0.5;  // of lines, from the middle of the first shape

struct Point {
  double x, y;
};

Point direction(Outcome way) {
  switch (way) {
    case Outcome::left: return {-1, 0};
    case Outcome::right: return {1, 0};
    case Outcome::up: return {0, -1};
    case Outcome::down: return {0, 1};
    default: return {0, 0};
  }
}

// How far an upright shape reaches below its middle, in radii.
double foot(Shape shape) {
  switch (shape) {
    case Shape::square: return 0.8;
    case Shape::triangle: return 0.95 / std::numbers::sqrt3;
    case Shape::star: return 1.1 * std::cos(kPi / 5);
    case Shape::ring: return 0.96;
    case Shape::heart: return 0.6565 * 1.7;
    default: return 0.9;
  }
}

// ---- motion ---------------------------------------------------------------------------------------------------------

// There and back again between the rims.
double reflected(double start, double travelled, double reach) {
  const double span = 1 - 2 * reach;
  double along = std::fmod(start - reach + travelled, 2 * span);
  if (along < 0) along += 2 * span;
  return reach + (along <= span ? along : 2 * span - along);
}

// Height above the floor after a fall from `height` with bounces that lose speed, until it lies.
double bounced(double height, double t) {
  double speed = std::sqrt(2 * kGravity * height), begin = speed / kGravity;
  if (t < begin) return height - kGravity * t * t / 2;
  for (int i = 0; i < 8; ++i) {
    speed *= kRestitution;
    const double since = t - begin, flight = 2 * speed / kGravity;
    if (since < flight) return speed * since - kGravity * since * since / 2;
    begin += flight;
  }
  return 0;
}

// Middles of two bodies when they touch.
double touching(const ForesightScene& scene) { return 0.92 * (scene.bodies[0].radius + scene.bodies[1].radius); }

Point hit_place(const ForesightScene& scene, std::size_t body, double t) {
  const Point to = direction(scene.way);
  const Body &first = scene.bodies[0], &second = scene.bodies[1];
  const double gap = std::abs(second.x - first.x) + std::abs(second.y - first.y) - touching(scene);
  const double touch = gap / kHitSpeed;
  const double moved =
      body == 0 ? std::min(t, touch) * kHitSpeed : kPushedAway * (1 - std::exp(-std::max(0.0, t - touch) / kFriction));
  return {scene.bodies[body].x + to.x * moved, scene.bodies[body].y + to.y * moved};
}

struct Pose {
  double x, y, angle;
};

Pose pose(const ForesightScene& scene, std::size_t body, double t) {
  const Body& own = scene.bodies[body];
  Pose p{own.x, own.y, 0};
  const double reach = own.radius * shape_reach(own.thing.shape);
  switch (scene.labels.outcome) {
    case Outcome::left:
    case Outcome::right: p.x = reflected(own.x, direction(scene.way).x * kSlideSpeed * t, reach); break;
    case Outcome::up:
    case Outcome::down: p.y = reflected(own.y, direction(scene.way).y * kSlideSpeed * t, reach); break;
    case Outcome::fall: {
      const double lowest = kFloorTop - own.radius * foot(own.thing.shape);
      p.y = lowest - bounced(lowest - own.y, t);
      break;
    }
    case Outcome::spin: p.angle = kTurnSpeed * t; break;
    case Outcome::hit: {
      const Point place = hit_place(scene, body, t);
      p.x = place.x, p.y = place.y;
      break;
    }
    case Outcome::stay: break;
  }
  return p;
}

// ---- drawing --------------------------------------------------------------------------------------------------------

struct Canvas {
  float* pixels;  // [3, height, width]
  int64_t height, width;

  double side() const { return static_cast<double>(std::min(height, width)); }
  Point at(double x, double y) const {
    return {static_cast<double>(width) / 2 + (x - 0.5) * side(), static_cast<double>(height) / 2 + (y - 0.5) * side()};
  }
  /// opacity(x, y) 0..1 of the pixel's middle, within `reach` pixels of `middle`.
  template <typename Opacity>
  void paint(Point middle, double reach, const Rgb& ink, Opacity opacity) const {
    const auto top = std::max<int64_t>(0, static_cast<int64_t>(middle.y - reach));
    const auto bottom = std::min<int64_t>(height, static_cast<int64_t>(middle.y + reach + 2));
    const auto left = std::max<int64_t>(0, static_cast<int64_t>(middle.x - reach));
    const auto right = std::min<int64_t>(width, static_cast<int64_t>(middle.x + reach + 2));
    for (int64_t y = top; y < bottom; ++y)
      for (int64_t x = left; x < right; ++x) {
        const auto cover = static_cast<float>(opacity(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5));
        if (cover <= 0) continue;
        for (std::size_t c = 0; c < 3; ++c) {
          float& pixel = pixels[(static_cast<int64_t>(c) * height + y) * width + x];
          pixel += cover * (ink[c] - pixel);
        }
      }
  }
};

double covered(double distance_in_pixels) { return std::clamp(0.5 - distance_in_pixels, 0.0, 1.0); }

void fill(const Canvas& canvas, const ForesightLabels& labels) {
  const double line = canvas.at(0, kFloorTop).y;
  for (int64_t y = 0; y < canvas.height; ++y) {
    const auto share = static_cast<float>(labels.floor ? covered(line - static_cast<double>(y) - 0.5) : 0);
    for (std::size_t c = 0; c < 3; ++c) {
      const float ground = rgb(labels.ground)[c], floor = labels.floor ? rgb(*labels.floor)[c] : ground;
      std::fill_n(canvas.pixels + (static_cast<int64_t>(c) * canvas.height + y) * canvas.width, canvas.width,
                  ground + share * (floor - ground));
    }
  }
}

void paint_body(const Canvas& canvas, const ForesightScene& scene, std::size_t body, double t) {
  const Body& own = scene.bodies[body];
  const Pose p = pose(scene, body, t);
  const Point middle = canvas.at(p.x, p.y);
  const double radius = own.radius * canvas.side(), cosine = std::cos(p.angle), sine = std::sin(p.angle);
  canvas.paint(middle, radius * 1.25 + 1, rgb(own.thing.colour), [&](double x, double y) {
    const double dx = (x - middle.x) / radius, dy = (y - middle.y) / radius;
    return covered(radius * shape_distance(own.thing.shape, static_cast<float>(cosine * dx + sine * dy),
                                           static_cast<float>(cosine * dy - sine * dx)));
  });
}

struct Line {
  Point from, to;
};

double distance(const Line& line, double x, double y) {
  const double ex = line.to.x - line.from.x, ey = line.to.y - line.from.y, dx = x - line.from.x, dy = y - line.from.y;
  const double h = std::clamp((dx * ex + dy * ey) / (ex * ex + ey * ey), 0.0, 1.0);
  return std::hypot(dx - h * ex, dy - h * ey);
}

// The two lines of an arrow's head that points along `angle`.
void add_head(std::vector<Line>& lines, Point tip, double angle) {
  for (const double side : {-1.0, 1.0}) {
    const double back = angle + kPi + side * 0.65;
    lines.push_back({tip, {tip.x + kHead * std::cos(back), tip.y + kHead * std::sin(back)}});
  }
}

std::vector<Line> cue_lines(const ForesightScene& scene) {
  std::vector<Line> lines;
  const Body& first = scene.bodies[0];
  if (scene.labels.cue == Cue::arrow) {
    const Point to = direction(scene.way);
    double from = first.radius * 1.2 + 0.03, until = from + kArrowLength;
    if (scene.bodies.size() > 1) {  // between the two
      const Body& second = scene.bodies[1];
      until = std::abs(second.x - first.x) + std::abs(second.y - first.y) - second.radius * 1.1 - 0.03;
    }
    const Point tip{first.x + to.x * until, first.y + to.y * until};
    lines.push_back({{first.x + to.x * from, first.y + to.y * from}, tip});
    add_head(lines, tip, std::atan2(to.y, to.x));
  } else if (scene.labels.cue == Cue::curve) {
    const double radius = first.radius * 1.15 + 0.055, begin = -1.25 * kPi, end = 0.1 * kPi;
    constexpr int kPieces = 16;
    const auto on_arc = [&](double share) {
      const double angle = begin + share * (end - begin);
      return Point{first.x + radius * std::cos(angle), first.y + radius * std::sin(angle)};
    };
    for (int i = 0; i < kPieces; ++i) lines.push_back({on_arc(1.0 * i / kPieces), on_arc((i + 1.0) / kPieces)});
    add_head(lines, on_arc(1), end + kPi / 2 - 0.2);
  }
  return lines;
}

// Dark on pale grounds, white on dark ones.
Rgb ink_on(Ground ground) {
  const Rgb base = rgb(ground);
  return base[0] + base[1] + base[2] > 1.4f ? Rgb{0.04f, 0.04f, 0.04f} : Rgb{0.96f, 0.96f, 0.96f};
}

void paint_trail(const Canvas& canvas, const ForesightScene& scene, double strength) {
  const Body& own = scene.bodies[0];
  const Point to = direction(scene.way), middle = canvas.at(own.x, own.y);
  const double length = (own.radius + kTrailLength) * canvas.side(), half = 0.7 * own.radius * canvas.side();
  canvas.paint(middle, length + 2, rgb(own.thing.colour), [&](double x, double y) {
    const double dx = x - middle.x, dy = y - middle.y;
    const double behind = -(dx * to.x + dy * to.y) / length, aside = std::abs(dx * to.y - dy * to.x);
    if (behind < 0 || behind > 1) return 0.0;
    return strength * 0.75 * (1 - behind) * covered(aside - half * (1 - 0.4 * behind));
  });
}

void paint_cue(const Canvas& canvas, const ForesightScene& scene, double strength) {
  if (strength <= 0) return;
  if (scene.labels.cue == Cue::trail) paint_trail(canvas, scene, strength);
  std::vector<Line> lines = cue_lines(scene);
  if (lines.empty()) return;
  for (Line& line : lines) line = {canvas.at(line.from.x, line.from.y), canvas.at(line.to.x, line.to.y)};
  const double half = kStroke / 2 * canvas.side();
  const Point middle = canvas.at(scene.bodies[0].x, scene.bodies[0].y);
  canvas.paint(middle, kCueReach * canvas.side(), ink_on(scene.labels.ground), [&](double x, double y) {
    double nearest = 1e9;
    for (const Line& line : lines) nearest = std::min(nearest, distance(line, x, y));
    return strength * covered(nearest - half);
  });
}

// ---- scenes ---------------------------------------------------------------------------------------------------------

// Colours that nobody could tell apart by name.
bool is_visible(Colour colour, Ground ground) {
  return name(colour) != name(ground) && !(colour == Colour::cyan && ground == Ground::teal) &&
         !(colour == Colour::yellow && ground == Ground::sand) && !(colour == Colour::white && ground == Ground::pink);
}

bool is_sensible(const ForesightLabels& labels) {
  for (const Thing& thing : labels.things)
    if (!is_visible(thing.colour, labels.ground) || (labels.floor && !is_visible(thing.colour, *labels.floor)))
      return false;
  if (labels.things.size() > 1 && labels.things[0].colour == labels.things[1].colour) return false;
  if (labels.floor == labels.ground) return false;
  return labels.outcome != Outcome::spin || shape_period(labels.things[0].shape) > 0;  // a turn that can be seen
}

bool is_held_out(const ForesightLabels& labels) {
  const Thing& first = labels.things[0];
  const auto code = (static_cast<uint64_t>(first.shape) * kColours + static_cast<uint64_t>(first.colour)) * kOutcomes +
                    static_cast<uint64_t>(labels.outcome);
  return Random(code, 0xf0e5).next() % 10 == 0;
}

Thing any_thing(Random& random) { return {random.pick(kForesightShapes), static_cast<Colour>(random.below(kColours))}; }

ForesightLabels any_labels(Random& random) {
  ForesightLabels labels{};
  labels.things.push_back(any_thing(random));
  labels.ground = static_cast<Ground>(random.below(kGrounds));
  const int64_t kind = random.below(100);
  const auto way = static_cast<Outcome>(random.below(4));
  bool is_pair = false;
  if (kind < 26) {
    labels.cue = Cue::arrow, labels.outcome = way;
  } else if (kind < 42) {
    labels.cue = Cue::trail, labels.outcome = way;
  } else if (kind < 56) {
    labels.cue = Cue::floor, labels.outcome = Outcome::fall;
    labels.floor = static_cast<Ground>(random.below(kGrounds));
  } else if (kind < 67) {
    labels.cue = Cue::curve, labels.outcome = Outcome::spin;
  } else if (kind < 80) {
    labels.cue = Cue::arrow, labels.outcome = Outcome::hit, is_pair = true;
  } else if (kind < 92) {
    labels.instructed = true, labels.outcome = random.below(5) == 0 ? Outcome::spin : way;
  } else {
    labels.outcome = Outcome::stay, is_pair = random.below(3) == 0;
  }
  if (is_pair) labels.things.push_back(any_thing(random));
  return labels;
}

void add_bodies(ForesightScene& scene, Random& random) {
  const bool is_pair = scene.labels.things.size() > 1;
  const auto near = [&](double value, double off) { return value + random.uniform(-off, off); };
  for (const Thing& thing : scene.labels.things)
    scene.bodies.push_back({thing, is_pair ? near(0.11, 0.015) : near(0.14, 0.025), near(0.5, 0.08), near(0.5, 0.08)});
  Body& first = scene.bodies[0];
  if (is_pair) {
    Body& second = scene.bodies[1];
    const Point to = direction(scene.way);
    const double aside = near(0, 0.1), at_first = near(0.2, 0.03), apart = near(0.42, 0.02);
    for (Body* body : {&first, &second}) {
      const double along = (body == &first ? at_first : at_first + apart) - 0.5;
      body->x = 0.5 + to.x * along + to.y * aside;
      body->y = 0.5 + to.y * along + to.x * aside;
    }
  } else if (scene.labels.outcome == Outcome::fall) {
    first.y = near(0.24, 0.05);
  } else {
    // Behind the middle, so that a clip shows the shape going through it.
    const Point to = direction(scene.way);
    const bool moves = scene.labels.outcome <= Outcome::down;
    first.x = moves ? first.x - 0.2 * to.x : near(0.5, 0.22);
    first.y = moves ? first.y - 0.2 * to.y : near(0.5, 0.22);
  }
}

}  // namespace

std::string_view name(Cue cue) { return kCueNames[static_cast<std::size_t>(cue)]; }
std::string_view name(Outcome outcome) { return kOutcomeNames[static_cast<std::size_t>(outcome)]; }

ForesightScene make_foresight_scene(uint64_t seed, uint64_t index, Split split) {
  Random random(seed, index);
  ForesightScene scene{};
  do scene.labels = any_labels(random);
  while (!is_sensible(scene.labels) || is_held_out(scene.labels) != (split == Split::held_out));
  // Two that stay are named from the left or from above, as one reads.
  scene.way = scene.labels.outcome <= Outcome::down   ? scene.labels.outcome
              : scene.labels.outcome == Outcome::stay ? (random.below(2) == 0 ? Outcome::right : Outcome::down)
                                                      : static_cast<Outcome>(random.below(4));
  add_bodies(scene, random);
  const ForesightWords words = make_foresight_words(scene.labels, random);
  scene.question = words.question;
  scene.answer = words.answer;
  return scene;
}

BodyPlace place(const ForesightScene& scene, std::size_t body, int64_t video_frame, int64_t side) {
  const Pose p = pose(scene, body, static_cast<double>(video_frame) / kForesightFps);
  const auto pixels = static_cast<double>(side);
  return {p.x * pixels, p.y * pixels, p.angle, scene.bodies.at(body).radius * pixels};
}

at::Tensor draw(const ForesightScene& scene, int64_t first, int64_t video_frames, int64_t height, int64_t width) {
  require(first >= 0 && video_frames > 0 && height >= 8 && width >= 8, ErrorCode::invalid_argument,
          "a clip of {} video frames of {}x{}: need at least 1 and 8x8", video_frames, height, width);
  at::Tensor frames = at::empty({video_frames, 3, height, width}, at::kFloat);
  auto* pixels = frames.mutable_data_ptr<float>();
  const int64_t picture = 3 * height * width;
  // The ground stands still: filled once, copied, then every picture's shapes on top.
  fill({pixels, height, width}, scene.labels);
  for (int64_t i = 1; i < video_frames; ++i) std::copy_n(pixels, picture, pixels + i * picture);
  for (int64_t i = 0; i < video_frames; ++i) {
    const Canvas canvas{pixels + i * picture, height, width};
    paint_cue(canvas, scene, 1 - static_cast<double>(first + i) / kCueVideoFrames);
    for (std::size_t body = 0; body < scene.bodies.size(); ++body)
      paint_body(canvas, scene, body, static_cast<double>(first + i) / kForesightFps);
  }
  return frames;
}

at::Tensor foresight_picture(const ForesightScene& scene, int64_t side) {
  return draw(scene, 0, 1, side, side)[0].permute({1, 2, 0}).mul(255).round().to(at::kByte).contiguous();
}

}  // namespace rushes::training
