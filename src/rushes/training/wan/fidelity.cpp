#include "rushes/training/wan/fidelity.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/wan/motion_rule.h"
#include "rushes/training/wan/palette.h"
#include "rushes/training/wan/shape_rule.h"

namespace rushes::training {
namespace {

// Of the picture, on average: less is an artefact or nothing.
constexpr double kLeastArea = 0.002, kLeastSecondArea = 0.008;

struct Clip {
  const float* pixels;
  int64_t video_frames, height, width;
  int64_t plane() const { return height * width; }
  Rgb at(int64_t t, int64_t i) const {
    const float* p = pixels + t * 3 * plane() + i;
    return {p[0], p[plane()], p[2 * plane()]};
  }
};

// Mean colour and count of pixels.
struct Tint {
  std::array<double, 3> sum{};
  int64_t count = 0;
  void add(const Rgb& colour) {
    for (std::size_t c = 0; c < 3; ++c) sum[c] += colour[c];
    ++count;
  }
  double distance(const Rgb& colour) const {
    double d = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const double e = sum[c] / static_cast<double>(count) - colour[c];
      d += e * e;
    }
    return d;
  }
};

// Only pixels whose neighbours have the same name count: blends along a rim are some third colour.
std::array<Tint, kColours + kGrounds> tints(const Clip& clip) {
  const Palette& palette = Palette::instance();
  std::array<Tint, kColours + kGrounds> tints{};
  std::vector<int8_t> names(static_cast<std::size_t>(clip.plane()));
  for (int64_t t = 0; t < clip.video_frames; ++t) {
    for (int64_t i = 0; i < clip.plane(); ++i) {
      const Rgb colour = clip.at(t, i);
      names[static_cast<std::size_t>(i)] = palette.nearest(colour[0], colour[1], colour[2]);
    }
    for (int64_t y = 1; y + 1 < clip.height; ++y)
      for (int64_t x = 1; x + 1 < clip.width; ++x) {
        const int64_t i = y * clip.width + x;
        const auto name = [&](int64_t at) { return names[static_cast<std::size_t>(at)]; };
        if (name(i - 1) == name(i) && name(i + 1) == name(i) && name(i - clip.width) == name(i) &&
            name(i + clip.width) == name(i))
          tints[static_cast<std::size_t>(name(i))].add(clip.at(t, i));
      }
  }
  return tints;
}

// Pixels that are nearer to `own` than to anything else there is.
Patch patch_of(const Clip& clip, int64_t t, const Tint& own, const std::vector<const Tint*>& others) {
  Patch patch{std::vector<uint8_t>(static_cast<std::size_t>(clip.plane())), clip.height, clip.width};
  for (int64_t i = 0; i < clip.plane(); ++i) {
    const Rgb colour = clip.at(t, i);
    const double distance = own.distance(colour);
    patch.inside[static_cast<std::size_t>(i)] = std::all_of(
        others.begin(), others.end(), [&](const Tint* other) { return distance < other->distance(colour); });
  }
  return largest_piece(patch);
}

void follow(SeenObject& object, const Patch& patch) {
  double x = 0, y = 0, count = 0, top = 1;
  for (int64_t row = 0; row < patch.height; ++row)
    for (int64_t column = 0; column < patch.width; ++column) {
      if (!patch.inside[static_cast<std::size_t>(row * patch.width + column)]) continue;
      if (count == 0) top = static_cast<double>(row) / static_cast<double>(patch.height);
      x += static_cast<double>(column) + 0.5, y += static_cast<double>(row) + 0.5, ++count;
    }
  const bool seen = count >= 4;
  const auto last = [](const std::vector<double>& values) { return values.empty() ? 0.5 : values.back(); };
  object.x.push_back(seen ? x / count / static_cast<double>(patch.width) : last(object.x));
  object.y.push_back(seen ? y / count / static_cast<double>(patch.height) : last(object.y));
  object.top.push_back(seen ? top : last(object.top));
  object.area.push_back(seen ? count / static_cast<double>(patch.height * patch.width) : 0);
}

// Before an object is first seen it stands where it will be seen.
void fill_beginning(SeenObject& object) {
  const auto seen = std::find_if(object.area.begin(), object.area.end(), [](double area) { return area > 0; });
  if (seen == object.area.end()) return;
  const auto count = seen - object.area.begin();
  for (std::vector<double>* values : {&object.x, &object.y, &object.top})
    std::fill_n(values->begin(), count, (*values)[static_cast<std::size_t>(count)]);
}

double turned(const std::vector<ShapeReading>& readings, Shape shape) {
  const double period = shape_period(shape);
  if (period == 0) return 0;
  double sum = 0;
  const ShapeReading* before = nullptr;
  for (const ShapeReading& reading : readings) {
    if (reading.shape != shape) continue;
    if (before != nullptr) sum += std::remainder(reading.angle - before->angle, period);
    before = &reading;
  }
  return sum;
}

void name_shape(SeenObject& object, const std::vector<ShapeReading>& readings) {
  std::array<int, kShapes> votes{};
  int readable = 0;
  for (const ShapeReading& reading : readings) {
    if (reading.overlap == 0) continue;  // unseen or cut by the rim
    ++readable, object.overlap += reading.overlap;
    if (reading.shape) ++votes[static_cast<std::size_t>(*reading.shape)];
  }
  if (readable == 0) return;
  object.overlap /= readable;
  const auto best = std::max_element(votes.begin(), votes.end());
  if (2 * *best <= readable) return;
  object.shape = static_cast<Shape>(best - votes.begin());
  object.turned = turned(readings, *object.shape);
}

}  // namespace

Reading read_clip(const at::Tensor& frames) {
  require(frames.dim() == 4 && frames.size(1) == 3 && frames.size(0) >= 5, ErrorCode::invalid_argument,
          "read_clip needs [T >= 5, 3, H, W], got {} axes", frames.dim());
  const at::Tensor pixels = frames.to(at::kCPU, at::kFloat).contiguous();
  const Clip clip{pixels.const_data_ptr<float>(), pixels.size(0), pixels.size(2), pixels.size(3)};
  const auto tint = tints(clip);
  const auto by_count = [](const Tint& a, const Tint& b) { return a.count < b.count; };
  Reading reading{};
  const auto ground = std::max_element(tint.begin() + kColours, tint.end(), by_count);
  reading.ground = static_cast<Ground>(ground - tint.begin() - kColours);
  std::vector<const Tint*> there{&*ground};
  std::vector<std::size_t> order(kColours);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return by_count(tint[b], tint[a]); });
  for (const std::size_t colour : {order[0], order[1]}) {
    const double area = static_cast<double>(tint[colour].count) / static_cast<double>(clip.video_frames * clip.plane());
    if (area < (there.size() == 1 ? kLeastArea : kLeastSecondArea)) break;
    there.push_back(&tint[colour]);
    reading.objects.push_back({.colour = static_cast<Colour>(colour)});
  }
  for (std::size_t i = 0; i < reading.objects.size(); ++i) {
    std::vector<const Tint*> others = there;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    std::vector<ShapeReading> readings;
    for (int64_t t = 0; t < clip.video_frames; ++t) {
      const Patch patch = patch_of(clip, t, *there[i + 1], others);
      follow(reading.objects[i], patch);
      readings.push_back(read_shape(patch));
    }
    fill_beginning(reading.objects[i]);
    name_shape(reading.objects[i], readings);
  }
  reading.motion = read_motion(reading.objects);
  return reading;
}

double sharpness(const at::Tensor& frames) {
  const at::Tensor x = frames.to(at::kFloat);
  const at::Tensor dx = (x.slice(3, 1) - x.slice(3, 0, -1)).abs().amax({1});
  const at::Tensor strong =
      std::get<0>(dx.flatten(1).sort(1, true)).slice(1, 0, std::max<int64_t>(8, dx[0].numel() / 100));
  return strong.mean().item<double>();
}

}  // namespace rushes::training
