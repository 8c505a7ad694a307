#include "rushes/training/fidelity.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

using Lab = std::array<float, 3>;

// sRGB to CIELAB, D65 (IEC 61966-2-1, CIE 15).
Lab lab(const Rgb& colour) {
  std::array<float, 3> linear;
  for (std::size_t c = 0; c < 3; ++c) {
    const float v = std::clamp(colour[c], 0.0f, 1.0f);
    linear[c] = v <= 0.04045f ? v / 12.92f : std::pow((v + 0.055f) / 1.055f, 2.4f);
  }
  const auto [r, g, b] = linear;
  const auto f = [](float t) { return t > 0.008856f ? std::cbrt(t) : 7.787f * t + 16.0f / 116; };
  const float x = f((0.4124f * r + 0.3576f * g + 0.1805f * b) / 0.95047f);
  const float y = f(0.2126f * r + 0.7152f * g + 0.0722f * b);
  const float z = f((0.0193f * r + 0.1192f * g + 0.9505f * b) / 1.08883f);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

// Palette entry of every colour of a 5-bit RGB cube: 0..7 objects, 8..15 grounds. Grounds may be shaded, so they are
// represented at three lightnesses.
class Palette {
 public:
  static constexpr int kLevels = 32;
  Palette() : nearest_(kLevels * kLevels * kLevels) {
    struct Entry {
      Lab lab;
      int8_t index;
    };
    std::vector<Entry> entries;
    for (int i = 0; i < kColours; ++i) entries.push_back({lab(rgb(static_cast<Colour>(i))), static_cast<int8_t>(i)});
    for (int i = 0; i < kGrounds; ++i)
      for (const float light : {-0.09f, -0.045f, 0.0f, 0.045f, 0.09f}) {
        Rgb colour = rgb(static_cast<Ground>(i));
        for (float& channel : colour) channel = std::clamp(channel + light, 0.0f, 1.0f);
        entries.push_back({lab(colour), static_cast<int8_t>(kColours + i)});
      }
    for (std::size_t i = 0; i < nearest_.size(); ++i) {
      const Lab here = lab({cell(i / (kLevels * kLevels)), cell(i / kLevels % kLevels), cell(i % kLevels)});
      float best = 1e9f;
      for (const Entry& entry : entries) {
        float d = 0;
        for (std::size_t c = 0; c < 3; ++c) d += (entry.lab[c] - here[c]) * (entry.lab[c] - here[c]);
        if (d < best) best = d, nearest_[i] = entry.index;
      }
    }
  }
  int8_t nearest(float r, float g, float b) const {
    return nearest_[(level(r) * kLevels + level(g)) * kLevels + level(b)];
  }

 private:
  static float cell(std::size_t i) { return (static_cast<float>(i) + 0.5f) / kLevels; }
  static std::size_t level(float v) {
    return static_cast<std::size_t>(std::clamp(v * kLevels, 0.0f, static_cast<float>(kLevels - 1)));
  }
  std::vector<int8_t> nearest_;
};

const Palette& palette() {
  static const Palette instance;
  return instance;
}

struct Track {
  std::vector<double> x, y, area;  // unwrapped centre in fractions of the picture; area as a share of it
};

double circular_step(double from, double to) { return std::remainder(to - from, 1.0); }

Track track(const std::vector<int8_t>& classes, int8_t wanted, int64_t frames, int64_t height, int64_t width) {
  Track result;
  const int64_t plane = height * width;
  for (int64_t t = 0; t < frames; ++t) {
    double xc = 0, xs = 0, yc = 0, ys = 0, count = 0;
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        if (classes[static_cast<std::size_t>(t * plane + y * width + x)] != wanted) continue;
        const double ax = 2 * std::numbers::pi * (static_cast<double>(x) + 0.5) / static_cast<double>(width);
        const double ay = 2 * std::numbers::pi * (static_cast<double>(y) + 0.5) / static_cast<double>(height);
        xc += std::cos(ax), xs += std::sin(ax), yc += std::cos(ay), ys += std::sin(ay);
        ++count;
      }
    double px = std::atan2(xs, xc) / (2 * std::numbers::pi), py = std::atan2(ys, yc) / (2 * std::numbers::pi);
    if (t > 0) {
      // Nothing to see: stay, rather than jump to a meaningless centre.
      px = count < 4 ? result.x.back() : result.x.back() + circular_step(result.x.back(), px);
      py = count < 4 ? result.y.back() : result.y.back() + circular_step(result.y.back(), py);
    }
    result.x.push_back(px);
    result.y.push_back(py);
    result.area.push_back(count / static_cast<double>(plane));
  }
  return result;
}

double mean(const std::vector<double>& values, std::size_t first, std::size_t last) {
  double sum = 0;
  for (std::size_t i = first; i < last; ++i) sum += values[i];
  return sum / static_cast<double>(last - first);
}

// Least-squares slope per second.
double slope(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double st = 0, sv = 0, stt = 0, stv = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double t = static_cast<double>(i) / kVideoFps;
    st += t, sv += values[i], stt += t * t, stv += t * values[i];
  }
  return (n * stv - st * sv) / (n * stt - st * st);
}

std::optional<Motion> motion_of(const Track& path, const Reading& reading) {
  const auto [low, high] = std::minmax_element(path.area.begin(), path.area.end());
  if (*low < 0.2 * *high)
    return path.area.front() > path.area.back() || path.area.front() > 0.6 * *high ? Motion::vanish : Motion::appear;
  const double speed = std::hypot(reading.drift_x, reading.drift_y);
  if (speed > 0.09 && reading.area_ratio > 0.6 && reading.area_ratio < 1.6) {
    constexpr std::array<Motion, 8> octants{Motion::right, Motion::down_right, Motion::down, Motion::down_left,
                                            Motion::left,  Motion::up_left,    Motion::up,   Motion::up_right};
    const double turn = std::atan2(reading.drift_y, reading.drift_x) / (2 * std::numbers::pi);
    return octants[static_cast<std::size_t>(std::llround(turn * 8 + 8)) % 8];
  }
  if (reading.area_ratio >= 1.25) return Motion::grow;
  if (reading.area_ratio <= 0.8) return Motion::shrink;
  return std::nullopt;  // stands still, or spins in place
}

}  // namespace

Reading read_clip(const at::Tensor& frames) {
  require(frames.dim() == 4 && frames.size(1) == 3 && frames.size(0) >= 5, ErrorCode::invalid_argument,
          "read_clip needs [T >= 5, 3, H, W], got {} axes", frames.dim());
  const at::Tensor pixels = frames.to(at::kCPU, at::kFloat).contiguous();
  const int64_t count = pixels.size(0), height = pixels.size(2), width = pixels.size(3), plane = height * width;
  const auto* data = pixels.const_data_ptr<float>();
  std::vector<int8_t> classes(static_cast<std::size_t>(count * plane));
  std::array<int64_t, kColours + kGrounds> votes{};
  for (int64_t t = 0; t < count; ++t)
    for (int64_t i = 0; i < plane; ++i) {
      const float* p = data + t * 3 * plane + i;
      const int8_t entry = palette().nearest(p[0], p[plane], p[2 * plane]);
      classes[static_cast<std::size_t>(t * plane + i)] = entry;
      ++votes[static_cast<std::size_t>(entry)];
    }
  Reading reading{};
  const auto ground = std::max_element(votes.begin() + kColours, votes.end());
  reading.ground = static_cast<Ground>(ground - votes.begin() - kColours);
  const auto colour = std::max_element(votes.begin(), votes.begin() + kColours);
  if (*colour * 400 < count * plane) return reading;
  reading.colour = static_cast<Colour>(colour - votes.begin());
  const Track path = track(classes, static_cast<int8_t>(*reading.colour), count, height, width);
  reading.drift_x = slope(path.x);
  reading.drift_y = slope(path.y);
  const std::size_t quarter = std::max<std::size_t>(1, path.area.size() / 4);
  reading.area_ratio =
      mean(path.area, path.area.size() - quarter, path.area.size()) / std::max(1e-9, mean(path.area, 0, quarter));
  reading.motion = motion_of(path, reading);
  return reading;
}

double sharpness(const at::Tensor& frames) {
  const at::Tensor x = frames.to(at::kFloat);
  const at::Tensor dx = (x.slice(3, 1) - x.slice(3, 0, -1)).abs().amax({1});
  const at::Tensor strong =
      std::get<0>(dx.flatten(1).sort(1, true)).slice(1, 0, std::max<int64_t>(8, dx[0].numel() / 100));
  return strong.mean().item<double>();
}

double psnr(const at::Tensor& made, const at::Tensor& truth) {
  return -10 * std::log10((made - truth).square().mean().item<double>());
}

}  // namespace rushes::training
