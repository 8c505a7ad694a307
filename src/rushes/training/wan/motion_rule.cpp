#include "rushes/training/wan/motion_rule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace rushes::training {
namespace {

// Video frames in which nothing has met the rim yet, and few enough that a growing shape has not reached its size.
constexpr std::size_t kFirstMoments = 9;
constexpr double kRim = 0.11;  // of the picture: what turns back here has met the upper rim

double mean(const std::vector<double>& values, std::size_t first, std::size_t last) {
  double sum = 0;
  for (std::size_t i = first; i < last; ++i) sum += values[i];
  return sum / static_cast<double>(last - first);
}

// Least-squares slope per second of the first `count` values.
double slope(const std::vector<double>& values, std::size_t count) {
  const auto n = static_cast<double>(count);
  double st = 0, sv = 0, stt = 0, stv = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / kVideoFps;
    st += t, sv += values[i], stt += t * t, stv += t * values[i];
  }
  return (n * stv - st * sv) / (n * stt - st * st);
}

double range(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *high - *low;
}

// Rises and falls again.
bool turns_back(const std::vector<double>& y) {
  const double highest = *std::min_element(y.begin(), y.end());
  return std::min(y.front(), y.back()) - highest > 0.03;
}

Motion octant(double x, double y) {
  constexpr std::array<Motion, 8> octants{Motion::right, Motion::down_right, Motion::down, Motion::down_left,
                                          Motion::left,  Motion::up_left,    Motion::up,   Motion::up_right};
  const double turn = std::atan2(y, x) / (2 * std::numbers::pi);
  return octants[static_cast<std::size_t>(std::llround(turn * 8 + 8)) % 8];
}

// The way's direction goes on turning clockwise, by more than a rim could turn it at once.
bool turns_round(const SeenObject& object) {
  constexpr std::size_t kStep = 3;
  double turn = 0, before = 0;
  bool any = false;
  for (std::size_t i = kStep; i < object.x.size(); i += kStep) {
    const double dx = object.x[i] - object.x[i - kStep], dy = object.y[i] - object.y[i - kStep];
    if (std::hypot(dx, dy) < 0.02) return false;  // an orbit has no pause
    const double now = std::atan2(dy, dx);
    if (any) {
      const double by = std::remainder(now - before, 2 * std::numbers::pi);
      if (by < -0.15 || by > 1.6) return false;
      turn += by;
    }
    before = now, any = true;
  }
  return turn > 1.2;
}

std::optional<Motion> pair_motion(const SeenObject& a, const SeenObject& b, std::size_t first) {
  const double va = slope(a.x, first), vb = slope(b.x, first);
  if (va * vb < 0 && std::min(std::abs(va), std::abs(vb)) > 0.06) return Motion::crossing;
  if (std::max({range(a.x), range(a.y), range(b.x), range(b.y)}) > 0.06) return std::nullopt;
  const double dx = std::abs(a.x[0] - b.x[0]), dy = std::abs(a.y[0] - b.y[0]);
  return dx > dy ? Motion::beside : Motion::above;
}

}  // namespace

std::optional<Motion> read_motion(const std::vector<SeenObject>& objects) {
  if (objects.empty()) return std::nullopt;
  const SeenObject& object = objects.front();
  const double largest = *std::max_element(object.area.begin(), object.area.end());
  const auto unseen = [&](double area) { return area < 0.2 * largest; };
  if (std::any_of(object.area.begin(), object.area.end(), unseen))
    return unseen(object.area.front()) ? Motion::appear : Motion::vanish;
  const std::size_t first = std::min(kFirstMoments, object.x.size());
  const double vx = slope(object.x, first), vy = slope(object.y, first);
  if (objects.size() > 1) return pair_motion(object, objects[1], first);
  const std::size_t quarter = std::max<std::size_t>(1, object.area.size() / 4);
  const double growth = mean(object.area, object.area.size() - quarter, object.area.size()) /
                        std::max(1e-9, mean(object.area, 0, quarter));
  if (growth > 0.6 && growth < 1.6) {
    const double across = range(object.x), along = range(object.y);
    if (std::min(across, along) > 0.12 && turns_round(object)) return Motion::orbit;
    if (across < 0.06 && along > 0.1 && turns_back(object.y) &&
        *std::min_element(object.top.begin(), object.top.end()) > kRim)
      return Motion::bounce;
    if (std::hypot(vx, vy) > 0.08) return octant(vx, vy);
    if (std::abs(object.turned) > 0.5) return Motion::spin;
    if (growth > 0.85 && growth < 1.18 && std::max(across, along) < 0.05) return Motion::still;
  }
  if (growth >= 1.25) return Motion::grow;
  if (growth <= 0.8) return Motion::shrink;
  return std::nullopt;
}

}  // namespace rushes::training
