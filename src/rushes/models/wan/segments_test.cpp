#include "rushes/models/wan/segments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::wan {
namespace {

TEST(VideoFrames, one_latent_frame_is_one_picture_and_each_further_one_four) {
  EXPECT_EQ(video_frames(0), 0);
  EXPECT_EQ(video_frames(1), 1);
  EXPECT_EQ(video_frames(21), 81);
}

TEST(VideoFrames, the_least_latent_frames_hold_the_video_frames_and_one_fewer_does_not) {
  for (int64_t wanted = 1; wanted < 200; ++wanted) {
    EXPECT_GE(video_frames(latent_frames_for(wanted)), wanted);
    EXPECT_LT(video_frames(latent_frames_for(wanted) - 1), wanted);
  }
}

TEST(SegmentPlan, spans_cover_every_latent_frame_once_as_unique) {
  for (const SegmentPlan& plan : {SegmentPlan{10, 21, 3}, SegmentPlan{3, 9, 6}, SegmentPlan{2, 21, 0}}) {
    int64_t next = 0;
    for (const SegmentSpan& span : plan.spans()) {
      EXPECT_EQ(span.end - span.unique + 1, next);
      next = span.end + 1;
    }
    EXPECT_EQ(next, plan.total_latent_frames());
  }
}

TEST(SegmentPlan, bad_values_name_the_field_and_what_is_allowed) {
  struct Bad {
    const char* name;
    SegmentPlan plan;
    const char* words;
  };
  const Bad table[] = {
      {"length", {.segment_latent_frames = 20}, "segment_length must be a multiple of 3 (got 20; use 18 or 21)"},
      {"short", {.segment_latent_frames = 2}, "use 3)"},
      {"no length", {.segment_latent_frames = 0}, "segment_length must be at least 3 (got 0)"},
      {"none", {.segments = 0}, "num_segments must be 1"},
      {"overlap", {.overlap_latent_frames = 4}, "overlap_frames must be a multiple of 3 (got 4; use 3 or 6)"},
      {"all", {.overlap_latent_frames = 21}, "less than segment_length 21 (got 21)"},
      {"negative", {.overlap_latent_frames = -3}, "at least 0"},
      {"block", {.block_latent_frames = 0}, "num_frame_per_block"},
  };
  for (const Bad& bad : table) {
    SCOPED_TRACE(bad.name);
    try {
      bad.plan.validate();
      ADD_FAILURE() << "no Error was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.what(), ::testing::HasSubstr(bad.words));
    }
  }
  EXPECT_NO_THROW((SegmentPlan{2, 21, 0}.validate()));
}

}  // namespace
}  // namespace rushes::wan
