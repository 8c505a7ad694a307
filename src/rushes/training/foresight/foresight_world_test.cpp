// The world of pictures with cues: what it keeps apart, what its films do, and that answers can be read.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "rushes/tensor/ops.h"
#include "rushes/training/foresight/foresight_world.h"

namespace rushes::training {
namespace {

constexpr uint64_t kScenes = 400;

std::vector<ForesightScene> scenes(Split split, uint64_t count = kScenes) {
  std::vector<ForesightScene> all;
  for (uint64_t i = 0; i < count; ++i) all.push_back(make_foresight_scene(5, i, split));
  return all;
}

TEST(ForesightWorld, draws_the_same_scene_for_the_same_number_and_another_for_another) {
  const ForesightScene one = make_foresight_scene(1, 4, Split::train), again = make_foresight_scene(1, 4, Split::train),
                       other = make_foresight_scene(1, 5, Split::train);
  EXPECT_EQ(one.question, again.question);
  EXPECT_EQ(one.answer, again.answer);
  EXPECT_TRUE(draw(one, 0, 5).equal(draw(again, 0, 5)));
  EXPECT_GT((draw(one, 0, 1) - draw(other, 0, 1)).abs().mean().item<double>(), 0.02);
}

TEST(ForesightWorld, keeps_combinations_of_shape_colour_and_outcome_for_measurements) {
  using Combination = std::tuple<Shape, Colour, Outcome>;
  const auto combinations = [](Split split) {
    std::set<Combination> all;
    for (const ForesightScene& scene : scenes(split))
      all.emplace(scene.labels.things[0].shape, scene.labels.things[0].colour, scene.labels.outcome);
    return all;
  };
  const std::set<Combination> trained = combinations(Split::train), kept = combinations(Split::held_out);
  EXPECT_GT(kept.size(), 20U);
  for (const Combination& combination : kept) EXPECT_FALSE(trained.contains(combination));
}

TEST(ForesightWorld, its_words_are_those_of_all_questions_and_answers_and_no_others) {
  std::vector<std::string> texts;
  for (const ForesightScene& scene : scenes(Split::train, 20'000)) texts.push_back(scene.question + " " + scene.answer);
  const KnownWords words = foresight_known_words();
  EXPECT_EQ(words.unknown_in(texts), std::vector<std::string>{});
  EXPECT_EQ(KnownWords{texts}.unknown_in(words.phrases), std::vector<std::string>{});
}

TEST(ForesightWorld, every_outcome_and_cue_occurs_and_every_body_is_in_the_picture) {
  std::set<Outcome> outcomes;
  std::set<Cue> cues;
  for (const ForesightScene& scene : scenes(Split::train)) {
    outcomes.insert(scene.labels.outcome);
    cues.insert(scene.labels.cue);
    for (std::size_t body = 0; body < scene.bodies.size(); ++body)
      for (int64_t frame = 0; frame < kForesightVideoFrames; ++frame) {
        const BodyPlace p = place(scene, body, frame);
        const double inside = 0.7 * p.radius;
        EXPECT_GT(std::min(p.x, p.y), inside) << scene.answer << " frame " << frame;
        EXPECT_LT(std::max(p.x, p.y), kForesightSide - inside) << scene.answer << " frame " << frame;
      }
  }
  EXPECT_EQ(outcomes.size(), std::size_t{kOutcomes});
  EXPECT_EQ(cues.size(), std::size_t{kCues});
}

TEST(ForesightWorld, the_films_first_frame_is_the_picture_and_later_frames_are_those_of_the_whole_film) {
  const ForesightScene scene = make_foresight_scene(2, 7, Split::held_out);
  const at::Tensor film = draw(scene, 0, kForesightVideoFrames);
  const at::Tensor picture = foresight_picture(scene).to(at::kFloat).permute({2, 0, 1}) / 255;
  EXPECT_LT((film[0] - picture).abs().max().item<double>(), 0.51 / 255);
  EXPECT_TRUE(draw(scene, 20, 3).equal(film.narrow(0, 20, 3)));
}

TEST(ForesightWorld, a_shape_without_a_cue_and_an_instruction_is_still) {
  for (const ForesightScene& scene : scenes(Split::train)) {
    if (scene.labels.outcome != Outcome::stay) continue;
    const at::Tensor film = draw(scene, 0, 9);
    EXPECT_TRUE(film[8].equal(film[0]));
  }
}

TEST(ForesightWorld, what_slides_goes_the_way_that_its_label_says) {
  for (const ForesightScene& scene : scenes(Split::train)) {
    if (scene.labels.outcome > Outcome::down) continue;
    const BodyPlace begin = place(scene, 0, 0), end = place(scene, 0, 20);
    const double right = end.x - begin.x, down = end.y - begin.y;
    EXPECT_NEAR(std::abs(right) + std::abs(down), 0.26 * kForesightSide * 20 / 15, 1);
    const double along = scene.labels.outcome == Outcome::left    ? -right
                         : scene.labels.outcome == Outcome::right ? right
                         : scene.labels.outcome == Outcome::up    ? -down
                                                                  : down;
    EXPECT_GT(along, 30) << scene.answer;
  }
}

TEST(ForesightWorld, what_falls_touches_the_floor_bounces_lower_each_time_and_never_sinks_in) {
  int fallen = 0;
  for (const ForesightScene& scene : scenes(Split::train)) {
    if (scene.labels.outcome != Outcome::fall) continue;
    ++fallen;
    std::vector<double> height;
    for (int64_t frame = 0; frame < 60; ++frame) height.push_back(place(scene, 0, frame).y);
    const double lowest = *std::ranges::max_element(height);
    EXPECT_LT(lowest, kFloorTop * kForesightSide);
    EXPECT_NEAR(height.back(), lowest, 1) << "it comes to rest";
    std::vector<double> tops;
    for (std::size_t i = 1; i + 1 < height.size(); ++i)
      if (height[i] < height[i - 1] && height[i] <= height[i + 1]) tops.push_back(height[i]);
    ASSERT_GE(tops.size(), 2U);
    EXPECT_GT(tops[0], height[0] + 10);
    EXPECT_GT(tops[1], tops[0] + 5);
    // Drawn: the row above the floor is touched in the frame where it is lowest at the end, the floor is not painted.
    const at::Tensor last = draw(scene, 59, 1)[0];
    const auto line = static_cast<int64_t>(kFloorTop * kForesightSide);
    const auto is_plain = [&](int64_t row) {
      return (last.select(1, row) - last.select(1, row).select(1, 0).unsqueeze(1)).abs().max().item<double>() < 0.02;
    };
    EXPECT_FALSE(is_plain(line - 3)) << scene.answer;
    EXPECT_TRUE(is_plain(line + 2)) << scene.answer;
  }
  EXPECT_GT(fallen, 30);
}

TEST(ForesightWorld, who_is_hit_moves_only_after_the_two_touch_and_the_first_stops_there) {
  int hits = 0;
  for (const ForesightScene& scene : scenes(Split::train)) {
    if (scene.labels.outcome != Outcome::hit) continue;
    ++hits;
    const auto apart = [&](int64_t frame) {
      const BodyPlace a = place(scene, 0, frame), b = place(scene, 1, frame);
      return std::hypot(a.x - b.x, a.y - b.y) / (a.radius + b.radius);
    };
    int64_t touch = 0;
    while (touch < 33 && place(scene, 1, touch + 1).x == place(scene, 1, 0).x &&
           place(scene, 1, touch + 1).y == place(scene, 1, 0).y)
      ++touch;
    EXPECT_GT(apart(0), 1.3);
    EXPECT_NEAR(apart(touch), 0.92, 0.2);
    EXPECT_NEAR(place(scene, 0, touch + 1).x, place(scene, 0, 32).x, 1e-6);
    EXPECT_GT(apart(32), 1.5);
  }
  EXPECT_GT(hits, 25);
}

TEST(ForesightWorld, a_cue_changes_the_picture_and_is_gone_after_its_frames) {
  for (uint64_t i = 0; i < 60; ++i) {
    const ForesightScene scene = make_foresight_scene(9, i, Split::train);
    if (scene.labels.cue == Cue::none || scene.labels.cue == Cue::floor) continue;
    ForesightScene without = scene;
    without.labels.cue = Cue::none;
    EXPECT_GT((draw(scene, 0, 1) - draw(without, 0, 1)).abs().sum().item<double>(), 40) << scene.answer;
    EXPECT_TRUE(draw(scene, kCueVideoFrames, 1).equal(draw(without, kCueVideoFrames, 1)));
  }
}

TEST(ForesightWorld, answers_are_read_back_to_the_labels_that_they_were_made_of) {
  for (const Split split : {Split::train, Split::held_out})
    for (const ForesightScene& scene : scenes(split)) {
      SCOPED_TRACE(scene.question + " | " + scene.answer);
      const AnswerReading reading = read_answer(scene.answer);
      EXPECT_EQ(reading.things, scene.labels.things);
      EXPECT_EQ(reading.outcome, scene.labels.outcome);
      EXPECT_EQ(reading.floor, scene.labels.floor);
      if (!scene.labels.floor) {
        EXPECT_EQ(reading.ground, scene.labels.ground);
      }
      EXPECT_LE(std::ranges::count(scene.answer, ' '), 29);
    }
}

TEST(ForesightWorld, other_texts_are_read_as_far_as_they_go) {
  struct Case {
    const char* text;
    std::size_t things;
    std::optional<Outcome> outcome;
  };
  for (const Case& c : std::initializer_list<Case>{{"", 0, {}},
                                                   {"A red moon rises.", 0, {}},
                                                   {"It moves left", 0, {}},
                                                   {"the green heart slides, then it slides up", 1, Outcome::up},
                                                   {"A RED BALL and a red ball FALL", 1, Outcome::fall}}) {
    const AnswerReading reading = read_answer(c.text);
    EXPECT_EQ(reading.things.size(), c.things) << c.text;
    EXPECT_EQ(reading.outcome, c.outcome) << c.text;
  }
}

TEST(ForesightWorld, an_instruction_overrules_a_picture_without_a_cue_only) {
  int instructed = 0;
  for (const ForesightScene& scene : scenes(Split::train)) {
    if (!scene.labels.instructed) continue;
    ++instructed;
    EXPECT_EQ(scene.labels.cue, Cue::none);
    EXPECT_NE(scene.labels.outcome, Outcome::stay);
    EXPECT_NE(scene.answer.find("If you"), std::string::npos);
  }
  EXPECT_GT(instructed, 20);
}

}  // namespace
}  // namespace rushes::training
