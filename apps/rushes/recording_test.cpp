#include "recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"

namespace rushes::app {
namespace {

using generation::StepOutcome;

/// Blocks of 3, 4, 4, ... frames of 2x2 pixels; two denoising steps each, then the frames.
class FakeGenerator final : public generation::Generator {
 public:
  explicit FakeGenerator(int64_t blocks) : blocks_(blocks) {}
  generation::VideoFormat format() const override {
    return {.height = 2, .width = 2, .video_frames = 4 * blocks_ - 1, .segments = 1, .blocks_per_segment = blocks_};
  }
  generation::StepResult step(const generation::Inbox&) override {
    ++steps;
    if (step_ < 2)
      return {StepOutcome::again, {generation::BlockProgress{.block = block_, .step = ++step_, .steps = 2}}};
    step_ = 0;
    const int64_t count = block_ == 0 ? 3 : 4;
    const std::shared_ptr<uint8_t> rgb(new uint8_t[count * 12], std::default_delete<uint8_t[]>());
    std::fill_n(rgb.get(), count * 12, static_cast<uint8_t>(block_));
    generation::FrameBlock frames{
        .rgb = rgb, .video_frames = count, .height = 2, .width = 2, .block = block_, .prompt = {}, .times = {}};
    ++block_;
    if (block_ == fails_at) fail(ErrorCode::exhausted, "out of memory");
    const generation::TextChunk text{fmt::format("block {} ", block_), block_ == blocks_};
    return {block_ == blocks_ ? StepOutcome::finished : StepOutcome::again, {text, frames}};
  }
  bool at_block_border() const override { return step_ == 0; }
  std::unique_ptr<generation::Generator> fork() const override { return nullptr; }
  int64_t bytes() const override { return 0; }

  int64_t steps = 0, fails_at = -1;

 private:
  int64_t blocks_, block_ = 0, step_ = 0;
};

struct FakeOutput final : media::VideoOutput {
  media::Reader write(const uint8_t* rgb, int64_t video_frames, std::span<const float>) override {
    if (fail_after == static_cast<int64_t>(blocks.size())) fail(ErrorCode::exhausted, "disk full");
    if (leave_after == static_cast<int64_t>(blocks.size())) return media::Reader::gone;
    blocks.push_back(video_frames);
    first_bytes.push_back(rgb[0]);
    return media::Reader::present;
  }
  void finish() override { ++finished; }

  std::vector<int64_t> blocks;
  std::vector<uint8_t> first_bytes;
  int finished = 0;
  int64_t fail_after = -1, leave_after = -1;
};

TEST(Record, writes_every_block_in_order_and_finishes_once) {
  FakeGenerator generator(3);
  FakeOutput output;
  const Recorded recorded = record(generator, output, {});
  EXPECT_EQ(recorded.end, RecordingEnd::finished);
  EXPECT_THAT(output.blocks, testing::ElementsAre(3, 4, 4));
  EXPECT_THAT(output.first_bytes, testing::ElementsAre(0, 1, 2));
  EXPECT_EQ(output.finished, 1);
  EXPECT_EQ(recorded.progress.video_frames, 11);
  EXPECT_TRUE(recorded.progress.first_frame);
}

TEST(Record, hands_on_what_the_model_says_and_ends_it_with_a_line_break) {
  FakeGenerator generator(3);
  FakeOutput output;
  std::string said;
  record(generator, output, {.on_text = [&](std::string_view text) { said += text; }});
  EXPECT_EQ(said, "block 1 block 2 block 3 \n");
}

TEST(Record, cuts_the_last_block_to_the_wanted_length_and_makes_no_further_one) {
  FakeGenerator generator(100);
  FakeOutput output;
  const Recorded recorded = record(generator, output, {.max_video_frames = 9});
  EXPECT_EQ(recorded.end, RecordingEnd::finished);
  EXPECT_THAT(output.blocks, testing::ElementsAre(3, 4, 2));
  EXPECT_EQ(generator.steps, 9);
}

TEST(Record, a_stop_leaves_what_was_made_and_a_finished_output) {
  FakeGenerator generator(100);
  FakeOutput output;
  bool stop = false;
  const base::Interruptible interruptible([&] {
    if (stop) throw base::Interrupted();
  });
  const Recorded recorded =
      record(generator, output, {.on_progress = [&](const Progress& p) { stop = p.blocks == 2; }});
  EXPECT_EQ(recorded.end, RecordingEnd::stopped);
  EXPECT_THAT(output.blocks, testing::ElementsAre(3, 4));
  EXPECT_EQ(output.finished, 1);
}

TEST(Record, a_reader_that_leaves_ends_generation_without_an_error) {
  FakeGenerator generator(1000);
  FakeOutput output;
  output.leave_after = 1;
  EXPECT_EQ(record(generator, output, {}).end, RecordingEnd::reader_gone);
  EXPECT_LT(generator.steps, 3000);
}

TEST(Record, a_failure_of_either_side_is_thrown_and_ends_the_other) {
  FakeGenerator endless(1000);
  FakeOutput full;
  full.fail_after = 1;
  try {
    record(endless, full, {});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "disk full");
  }
  FakeGenerator broken(4);
  broken.fails_at = 3;
  FakeOutput output;
  EXPECT_THROW(record(broken, output, {}), Error);
  EXPECT_EQ(output.blocks.size(), 2u);
  EXPECT_EQ(output.finished, 1);
}

TEST(ProgressLine, tells_blocks_rate_first_frame_and_time_left) {
  const generation::VideoFormat format{
      .height = 2, .width = 2, .video_frames = 81, .segments = 1, .blocks_per_segment = 7};
  Progress progress{.step = 2, .steps = 4, .blocks = 3, .video_frames = 33};
  progress.elapsed = std::chrono::seconds(2);
  progress.first_frame = std::chrono::milliseconds(410);
  EXPECT_EQ(progress_line(progress, format),
            "block 3/7 · step 2/4 · 33 frames · 16.5 fps · first after 0.41 s · 2.9 s left");
  EXPECT_EQ(progress_line({}, {}), "block 0 · 0 frames · 0.0 fps");
}

}  // namespace
}  // namespace rushes::app
