#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/models/omniavatar/guidance.h"
#include "rushes/models/omniavatar/picture.h"
#include "rushes/models/omniavatar/segments.h"
#include "rushes/models/omniavatar/speech_windows.h"
#include "rushes/models/omniavatar/tea_cache.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

at::Tensor numbers(std::vector<double> values) { return at::tensor(values, at::TensorOptions(at::kFloat)); }

TEST(Segments, cover_the_speech_without_a_gap_and_without_a_frame_twice) {
  for (const int64_t overlap : {1, 5, 13}) {
    for (int64_t samples = 0; samples < 400'000; samples += 7'919) {
      const Segments s = segments_of_speech(samples, {.height = 400, .width = 720, .overlap = overlap});
      int64_t next = 0;
      for (int64_t i = 0; i < s.count; ++i) {
        next += s.new_speech_frames(i);
      }
      EXPECT_EQ(next, s.padded_frames);
      EXPECT_GE(s.padded_frames, s.speech_frames);
      EXPECT_LT(next - s.speech_frames, std::max(s.video_frames, s.video_frames - overlap));
      EXPECT_EQ(s.video_frames % 4, 1);
    }
  }
}

TEST(Segments, too_few_tokens_say_how_many_are_needed) {
  try {
    segments_of_speech(16'000, {.height = 400, .width = 720, .max_tokens = 3'000, .overlap = 13});
    FAIL() << "3000 tokens are 10 frames at 400x720";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("use 4782 or more"), std::string::npos) << error.what();
  }
  EXPECT_EQ(segments_of_speech(16'000, {.height = 400, .width = 720, .max_tokens = 4'782, .overlap = 13}).video_frames,
            17);
}

TEST(Picture, an_odd_row_that_is_too_many_is_cut_off_at_the_top) {
  at::Tensor image = at::zeros({5, 2, 3}, at::kByte);
  for (int64_t row = 0; row < 5; ++row) image[row].fill_(row * 51);
  const at::Tensor cut = picture_pixels(image, {5, 2}, {2, 2});
  ASSERT_EQ(cut.sizes(), (at::IntArrayRef{1, 3, 1, 2, 2}));
  EXPECT_FLOAT_EQ(cut[0][0][0][0][0].item<float>(), 2 * 0.4f - 1);
  EXPECT_FLOAT_EQ(cut[0][0][0][1][0].item<float>(), 2 * 0.6f - 1);
}

TEST(Picture, what_is_missing_is_black) {
  const at::Tensor image = at::full({2, 4, 3}, 255, at::kByte);
  const at::Tensor padded = picture_pixels(image, {2, 4}, {5, 4});
  EXPECT_TRUE(at::equal(padded[0][0][0].select(1, 0), numbers({-1, 1, 1, -1, -1})));
}

TEST(Picture, covering_leaves_no_border_and_within_cuts_nothing) {
  for (const Size image : {Size{50, 70}, Size{640, 480}, Size{1, 1}, Size{33, 1000}}) {
    const Size frame{400, 720};
    EXPECT_GE(covering(image, frame).height, frame.height - 1);
    EXPECT_GE(covering(image, frame).width, frame.width - 1);
    EXPECT_LE(within(image, frame).height, frame.height);
    EXPECT_LE(within(image, frame).width, frame.width);
  }
}

TEST(Guidance, of_one_scale_takes_two_passes_and_of_two_scales_three) {
  const at::Tensor v = numbers({1, 2, 4}).unsqueeze(1);
  EXPECT_EQ(Guidance{.text_scale = 1}.passes(), 1);
  EXPECT_EQ((Guidance{.text_scale = 3, .audio_scale = 3}.passes()), 2);
  EXPECT_EQ(Guidance{.text_scale = 3}.combine(v.narrow(0, 0, 2)).item<float>(), 1 + 3 * (2 - 1));
  const Guidance both{.text_scale = 3, .audio_scale = 0.5};
  ASSERT_EQ(both.passes(), 3);
  EXPECT_EQ(both.combine(v).item<float>(), 1 + 3 * (2 - 1) + 0.5f * (4 - 2));
}

TEST(TeaCache, always_computes_the_first_and_the_last_step) {
  TeaCache cache(1e9, 4);
  std::vector<bool> skipped;
  for (int step = 0; step < 4; ++step) skipped.push_back(cache.skips(numbers({1.0 + step, 2.0})));
  EXPECT_EQ(skipped, (std::vector<bool>{false, true, true, false}));
}

TEST(TeaCache, computes_every_step_where_the_threshold_is_below_what_any_change_adds) {
  TeaCache cache(-1e9, 4);
  for (int step = 0; step < 4; ++step) EXPECT_FALSE(cache.skips(numbers({1.0 + step, 2.0})));
}

TEST(SpeechWindows, blocks_follow_each_other_and_hear_one_frame_more_on_each_side) {
  const SpeechWindows windows;
  for (int64_t block = 0; block < 5; ++block) {
    EXPECT_EQ(windows.frames(block).first, block == 0 ? 0 : windows.frames(block - 1).end);
    EXPECT_EQ(windows.heard(block, false).end, windows.frames(block).end + 1);
    EXPECT_EQ(windows.heard(block, true).end, windows.frames(block).end);
  }
  EXPECT_EQ(windows.frames(0).end, 9);
  EXPECT_EQ(windows.samples({8, 22}).first, 8'000);
  EXPECT_EQ(windows.blocks(9), 1);
  EXPECT_EQ(windows.blocks(10), 2);
  EXPECT_EQ(windows.blocks(21), 2);
}

}  // namespace
}  // namespace rushes::omniavatar
