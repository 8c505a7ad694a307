#include "rushes/training/foresight/film_rule.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

// Lengths are parts of the picture's side.
constexpr double kMoved = 0.12;          // a slide goes 0.4, a shape that is hit 0.25
constexpr double kEarly = 0.6;           // of its way is gone after a third of the time: a fall is on the floor by then
constexpr double kTurnedOverlap = 0.88;  // of a turned square with the upright one: 0.83
constexpr double kSeenShare = 0.4;       // of the area that a shape has at first

/// [T, H, W] bool for each thing: pixels that are nearer to its colour than to any other of the picture's.
std::vector<at::Tensor> masks_of(const at::Tensor& film, const ForesightLabels& labels) {
  std::vector<Rgb> colours;
  for (const Thing& thing : labels.things) colours.push_back(rgb(thing.colour));
  colours.push_back(rgb(labels.ground));
  if (labels.floor) colours.push_back(rgb(*labels.floor));
  std::vector<at::Tensor> distances;
  for (const Rgb& colour : colours)
    distances.push_back((film - at::tensor({colour[0], colour[1], colour[2]}).view({1, 3, 1, 1})).square().sum({1}));
  const at::Tensor nearest = at::stack(distances).argmin(0);
  std::vector<at::Tensor> masks;
  for (std::size_t i = 0; i < labels.things.size(); ++i) masks.push_back(nearest.eq(static_cast<int64_t>(i)));
  return masks;
}

struct Way {
  std::vector<double> x, y, area;  // of each video frame
};

Way way_of(const at::Tensor& mask) {
  const int64_t H = mask.size(1), W = mask.size(2);
  const at::Tensor seen = mask.to(at::kFloat), area = seen.sum({1, 2});
  const auto middle = [&](int64_t axis, int64_t extent) {
    const at::Tensor places = (at::arange(extent, at::kFloat) + 0.5) / static_cast<double>(extent);
    return (seen.sum({3 - axis}) * places).sum({1}) / area.clamp_min(1);
  };
  const at::Tensor x = middle(2, W), y = middle(1, H);
  const auto values = [](const at::Tensor& of) {
    const at::Tensor row = of.contiguous();
    return std::vector<double>(row.const_data_ptr<float>(), row.const_data_ptr<float>() + row.numel());
  };
  return {values(x), values(y), values(area / static_cast<double>(H * W))};
}

bool stays_in_sight(const Way& way) {
  const std::size_t T = way.area.size();
  const double first = way.area[T > kCueVideoFrames ? kCueVideoFrames : 0];
  return first > 1e-3 && std::all_of(way.area.begin() + kCueVideoFrames, way.area.end(),
                                     [&](double area) { return area > kSeenShare * first; });
}

double mean(const std::vector<double>& values, std::size_t first, std::size_t count) {
  double sum = 0;
  for (std::size_t i = first; i < first + count; ++i) sum += values[i];
  return sum / static_cast<double>(count);
}

/// From `first` to the end, over a few frames each.
double moved(const std::vector<double>& values, std::size_t first) {
  return mean(values, values.size() - 2, 2) - mean(values, first, 2);
}

/// How much of the farthest that it comes is gone after a third of the time.
double early_share(const std::vector<double>& values, std::size_t first) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
  const auto third = begin + (values.end() - begin) / 3 + 1;
  return (*std::max_element(begin, third) - *begin) / (*std::max_element(begin, values.end()) - *begin);
}

/// Least overlap of a shape with what it was at `first`: of a thing that lies where it lay.
double least_overlap(const at::Tensor& mask, int64_t first) {
  const at::Tensor then = mask[first];
  double least = 1;
  for (int64_t t = first + 1; t < mask.size(0); ++t) {
    const double shared = at::logical_and(then, mask[t]).sum().item<double>(),
                 all = at::logical_or(then, mask[t]).sum().item<double>();
    least = std::min(least, shared / std::max(1.0, all));
  }
  return least;
}

}  // namespace

std::optional<Outcome> read_outcome(const at::Tensor& film, const ForesightScene& scene) {
  const std::vector<at::Tensor> masks = masks_of(film, scene.labels);
  std::vector<Way> ways;
  for (const at::Tensor& mask : masks) ways.push_back(way_of(mask));
  if (!std::all_of(ways.begin(), ways.end(), stays_in_sight)) return std::nullopt;
  // A cue may have the colour of the shape.
  const bool fades = scene.labels.cue != Cue::none && scene.labels.cue != Cue::floor;
  if (ways.size() > 1) {
    const double x = moved(ways[1].x, fades ? 2 : 0), y = moved(ways[1].y, fades ? 2 : 0);
    return std::hypot(x, y) > kMoved ? Outcome::hit : Outcome::stay;
  }
  const std::size_t first = fades ? kCueVideoFrames : 0;
  const Way& way = ways[0];
  const double x = moved(way.x, first), y = moved(way.y, first);
  if (std::hypot(x, y) > kMoved) {
    if (std::abs(x) > std::abs(y)) return x < 0 ? Outcome::left : Outcome::right;
    if (y < 0) return Outcome::up;
    return early_share(way.y, first) > kEarly ? Outcome::fall : Outcome::down;
  }
  if (std::hypot(x, y) > kMoved / 2) return std::nullopt;
  return least_overlap(masks[0], static_cast<int64_t>(first)) < kTurnedOverlap ? Outcome::spin : Outcome::stay;
}

}  // namespace rushes::training
