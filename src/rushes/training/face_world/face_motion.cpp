// How faces of the procedural world move.
#include <algorithm>
#include <cmath>

#include "rushes/training/face_world/face_world.h"

namespace rushes::training {
namespace {

float between(Random& random, double low, double high) { return static_cast<float>(random.uniform(low, high)); }

}  // namespace

FaceControls random_controls(Random& random) {
  const auto spread = [&] {  // dense near 0, and the whole range
    const double u = random.uniform(-1, 1);
    return static_cast<float>(random.uniform() < 0.4 ? u : u * std::abs(u));
  };
  const auto amount = [&](double rest) { return random.uniform() < rest ? 0.0f : between(random, 0, 1); };
  FaceControls c;
  c.pitch = spread(), c.yaw = spread(), c.roll = spread();
  c.shift_x = spread(), c.shift_y = spread(), c.zoom = spread();
  c.gaze_x = between(random, -1, 1), c.gaze_y = between(random, -1, 1);
  c.blink = amount(0.6);
  c.brow = spread();
  c.jaw = amount(0.25);
  c.width = between(random, -1, 1);
  c.rounding = amount(0.5);
  return c;
}

FaceControls portrait_controls(Random& random) {
  FaceControls controls = random_controls(random);
  if (random.uniform() < 0.8) controls.blink = 0;
  if (random.uniform() < 0.6) controls.jaw *= 0.15f;
  return controls;
}

void calm(FaceControls& controls, const FaceControls& centre, float share) {
  for (float FaceControls::*field : {&FaceControls::pitch, &FaceControls::yaw, &FaceControls::roll,
                                     &FaceControls::shift_x, &FaceControls::shift_y, &FaceControls::zoom})
    controls.*field = centre.*field + share * controls.*field;
}

std::vector<FaceControls> idle_motion(Random& random, const FaceControls& centre, int64_t video_frames) {
  FaceControls still = centre;
  still.blink = still.jaw = still.width = still.rounding = 0;
  std::vector<FaceControls> motion(static_cast<std::size_t>(video_frames), still);
  const auto waves = [&](float FaceControls::*field, double depth) {
    for (int wave = 0; wave < 3; ++wave) {
      const float rate = between(random, 0.1, 0.45), phase = between(random, 0, 2 * std::numbers::pi),
                  size = between(random, 0.2, 1) * static_cast<float>(depth);
      for (std::size_t t = 0; t < motion.size(); ++t) {
        const auto seconds = static_cast<float>(t) / 25;
        const float fade = std::sin(phase) * std::exp(-seconds / 1.5f);  // nobody jumps in the first frame
        motion[t].*field += size * (std::sin(2 * std::numbers::pi_v<float> * rate * seconds + phase) - fade);
      }
    }
  };
  waves(&FaceControls::pitch, 0.12);
  waves(&FaceControls::yaw, 0.14);
  waves(&FaceControls::roll, 0.1);
  waves(&FaceControls::shift_x, 0.08);
  waves(&FaceControls::shift_y, 0.08);
  waves(&FaceControls::zoom, 0.06);
  waves(&FaceControls::brow, 0.15);
  float x = centre.gaze_x, y = centre.gaze_y, to_x = x, to_y = y;
  int64_t next_look = random.below(50), next_blink = random.below(75);
  for (int64_t t = 0; t < video_frames; ++t) {
    FaceControls& c = motion[static_cast<std::size_t>(t)];
    if (t == next_look) {
      to_x = centre.gaze_x + between(random, -0.25, 0.25);
      to_y = centre.gaze_y + between(random, -0.15, 0.15);
      next_look += 15 + random.below(50);
    }
    x += 0.5f * (to_x - x);
    y += 0.5f * (to_y - y);
    c.gaze_x = x;
    c.gaze_y = y;
    constexpr std::array<float, 6> lids{0.45f, 1.0f, 1.0f, 0.7f, 0.35f, 0.1f};
    if (const int64_t since = t - next_blink; since >= 0) {
      if (since < 6) c.blink = lids[static_cast<std::size_t>(since)];
      if (since == 6) next_blink = t + 40 + random.below(80);
    }
  }
  return motion;
}

}  // namespace rushes::training
