#include "rushes/training/fidelity.h"

#include <gtest/gtest.h>

namespace rushes::training {
namespace {

TEST(World, a_scene_follows_from_seed_and_index_alone) {
  const Scene a = make_scene(3, 41, Split::train), b = make_scene(3, 41, Split::train);
  EXPECT_EQ(a.caption, b.caption);
  EXPECT_TRUE(draw(a, 5, 4, 64, 96).equal(draw(b, 5, 4, 64, 96)));
  EXPECT_NE(make_scene(3, 42, Split::train).caption + make_scene(4, 41, Split::train).caption, a.caption + a.caption);
}

TEST(World, a_clip_in_pieces_equals_the_whole_clip) {
  const Scene scene = make_scene(1, 7, Split::train);
  const at::Tensor whole = draw(scene, 0, 12, 96, 96);
  EXPECT_TRUE(whole.slice(0, 5, 12).equal(draw(scene, 5, 7, 96, 96)));
}

TEST(World, held_out_combinations_are_never_trained_on) {
  const auto code = [](const Labels& l) { return std::tuple(l.shape, l.colour, l.ground, l.motion); };
  std::set<decltype(code(Labels{}))> held;
  for (uint64_t i = 0; i < 2000; ++i) held.insert(code(make_scene(1, i, Split::held_out).labels));
  for (uint64_t i = 0; i < 5000; ++i) EXPECT_EQ(held.count(code(make_scene(2, i, Split::train).labels)), 0u);
}

TEST(Fidelity, reads_colours_and_directions_of_drawn_clips) {
  constexpr int kClips = 400;
  int ground = 0, colour = 0, direction = 0, directions = 0;
  for (uint64_t i = 0; i < kClips; ++i) {
    const Scene scene = make_scene(9, i, Split::held_out);
    const Reading reading = read_clip(draw(scene, 0, 17, 96, 96));
    ground += reading.ground == scene.labels.ground;
    const bool pair = scene.objects.size() > 1;
    const bool right = reading.colour == scene.labels.colour || (pair && reading.colour == scene.objects[1].colour);
    colour += right;
    if (!right) std::printf("colour: %s\n", scene.caption.c_str());
    if (static_cast<int>(scene.labels.motion) >= kDirections) continue;
    ++directions;
    direction += reading.motion == scene.labels.motion;
    if (reading.motion != scene.labels.motion)
      std::printf("motion: %s: read %s, drift %.2f %.2f, area %.2f\n", scene.caption.c_str(),
                  reading.motion ? std::string(name(*reading.motion)).c_str() : "none", reading.drift_x,
                  reading.drift_y, reading.area_ratio);
  }
  EXPECT_GE(ground, kClips * 98 / 100);
  EXPECT_GE(colour, kClips * 98 / 100);
  EXPECT_GE(direction, directions * 98 / 100);
}

}  // namespace
}  // namespace rushes::training
