#include "rushes/training/wan/fidelity.h"

#include <gtest/gtest.h>

#include "rushes/training/wan/evaluation.h"

namespace rushes::training {
namespace {

constexpr int64_t kSide = 96;
constexpr int64_t kClips = 160;

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

TEST(World, nothing_leaves_the_picture) {
  for (uint64_t i = 0; i < 60; ++i) {
    const Scene scene = make_scene(5, i, Split::train);
    for (const Object& object : scene.objects)
      for (int64_t t = 0; t < 400; ++t) {
        const Place at = place(object, t, 96, 160);
        const double reach = at.radius * shape_reach(object.shape) - 1;
        ASSERT_TRUE(at.x >= reach && at.x <= 160 - reach && at.y >= reach && at.y <= 96 - reach)
            << scene.caption << ", video frame " << t;
      }
  }
}

TEST(World, held_out_combinations_are_never_trained_on) {
  const auto code = [](const Labels& l) { return std::tuple(l.shape, l.colour, l.ground, l.motion); };
  std::set<decltype(code(Labels{}))> held;
  for (uint64_t i = 0; i < 2000; ++i) held.insert(code(make_scene(1, i, Split::held_out).labels));
  for (uint64_t i = 0; i < 5000; ++i) EXPECT_EQ(held.count(code(make_scene(2, i, Split::train).labels)), 0u);
}

// A table of what went wrong, for whoever changes a rule.
void report(const Scene& scene, const Reading& reading) {
  std::printf("%s: ground %s, motion %s", scene.caption.c_str(), name(reading.ground).data(),
              reading.motion ? name(*reading.motion).data() : "none");
  for (const SeenObject& object : reading.objects)
    std::printf(", %s %s (%.2f, turned %.2f)", name(object.colour).data(),
                object.shape ? name(*object.shape).data() : "?", object.overlap, object.turned);
  std::printf("\n");
}

TEST(Fidelity, the_rules_read_98_of_100_drawn_clips_right) {
  const auto drawn = [](const Scene& scene, int64_t) {
    const at::Tensor clip = draw(scene, 0, 21, kSide, kSide);
    const Reading reading = read_clip(clip);
    const Verdict verdict = judge(scene, reading);
    if (!verdict.colour || !verdict.ground || !verdict.motion || !verdict.shape.value_or(true) ||
        !verdict.pair.value_or(true))
      report(scene, reading);
    return clip;
  };
  const Fidelity read = measure_fidelity(drawn, {.clips = kClips, .seed = 9});
  std::printf("%s\n", describe(read).c_str());
  for (const Score& score : {read.colour, read.ground, read.shape, read.motion, read.pair}) {
    EXPECT_GE(score.percent(), 98);
    EXPECT_GE(score.of, kClips / 40);
  }
}

}  // namespace
}  // namespace rushes::training
