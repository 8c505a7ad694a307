#include "rushes/generation/sketch/generator.h"

#include <gtest/gtest.h>

#include <cstring>

namespace rushes::generation {
namespace {

std::unique_ptr<SketchGenerator> generator(int64_t blocks, int64_t seed = 0) {
  auto plan = std::make_unique<SketchPlan>();
  plan->prompts = {"a red circle"};
  plan->seed = seed;
  plan->blocks = blocks;
  return std::make_unique<SketchGenerator>(SketchStyle{}, std::move(plan));
}

struct Made {
  std::string text;
  std::vector<uint8_t> pixels;
  bool operator==(const Made&) const = default;
};

/// Of one block.
Made block(Generator& from, Inbox inbox = {}) {
  Made made;
  do {
    for (const Event& event : from.step(inbox).events) {
      if (const auto* chunk = std::get_if<TextChunk>(&event)) made.text += chunk->utf8;
      if (const auto* frames = std::get_if<FrameBlock>(&event))
        made.pixels.assign(frames->rgb.get(), frames->frame(frames->video_frames));
    }
    inbox = {};
  } while (!from.at_block_border());
  return made;
}

TEST(SketchGenerator, says_what_it_draws_before_the_first_frame_and_after_each_other_prompt) {
  const auto sketch = generator(0);
  EXPECT_EQ(block(*sketch).text, "A red circle of radius 12 moves 2 pixels a frame.");
  EXPECT_EQ(block(*sketch).text, "");
  EXPECT_EQ(block(*sketch, {.prompt = "a blue circle"}).text, "\nA blue circle of radius 12 moves 2 pixels a frame.");
  EXPECT_EQ(block(*sketch).text, "");
}

TEST(SketchGenerator, makes_the_same_of_the_same_seed) {
  EXPECT_EQ(block(*generator(1, 7)), block(*generator(1, 7)));
  EXPECT_NE(block(*generator(1, 7)), block(*generator(1, 8)));
}

TEST(SketchGenerator, a_fork_goes_on_like_its_origin) {
  const auto origin = generator(0);
  block(*origin);
  const auto fork = origin->fork();
  const Made next = block(*origin);
  EXPECT_EQ(block(*fork), next);
}

}  // namespace
}  // namespace rushes::generation
