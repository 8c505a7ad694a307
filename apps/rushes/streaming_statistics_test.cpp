#include "streaming_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rushes::app {
namespace {

using testing::HasSubstr;

TEST(Spread, is_of_a_sample_and_has_no_deviation_of_a_single_value) {
  const Spread spread = spread_of({4, 1, 3, 2});
  EXPECT_EQ(spread.count, 4);
  EXPECT_DOUBLE_EQ(spread.mean, 2.5);
  EXPECT_DOUBLE_EQ(spread.median, 2.5);
  EXPECT_NEAR(spread.std, 1.2909944487, 1e-9);  // sqrt(5 / 3)
  EXPECT_DOUBLE_EQ(spread.min, 1);
  EXPECT_DOUBLE_EQ(spread.max, 4);
  EXPECT_DOUBLE_EQ(spread_of({5, 9, 7}).median, 7);
  EXPECT_DOUBLE_EQ(spread_of({5}).std, 0);
  EXPECT_EQ(spread_of({}).count, 0);
}

/// 11 frames of 51,200 bytes, 40 ms apart but for one that comes 40 ms late and the next at once.
std::vector<FrameArrival> arrivals() {
  std::vector<FrameArrival> frames;
  for (int i = 0; i < 11; ++i) frames.push_back({101 + 0.04 * i + (i == 5 ? 0.02 : 0), 51'200, 0.001 * (i % 3)});
  return frames;
}

TEST(StreamingStatistics, follow_from_known_arrival_times) {
  const StreamingStatistics s = streaming_statistics(100.5, arrivals());
  EXPECT_EQ(s.frames, 11);
  EXPECT_NEAR(s.duration_s, 0.4, 1e-9);
  EXPECT_NEAR(s.latency_s, 0.5, 1e-9);
  EXPECT_NEAR(s.fps, 27.5, 1e-6) << "frames, not intervals, by the duration";
  EXPECT_EQ(s.bytes, 563'200);
  EXPECT_DOUBLE_EQ(s.frame_bytes, 51'200);
  EXPECT_NEAR(s.bandwidth_mbps, 11.264, 1e-6);
  EXPECT_EQ(s.intervals_s.count, 10);
  EXPECT_NEAR(s.intervals_s.mean, 0.04, 1e-9);
  EXPECT_NEAR(s.intervals_s.max, 0.06, 1e-9);
  EXPECT_NEAR(s.intervals_s.min, 0.02, 1e-9);
  EXPECT_NEAR(s.intervals_s.std, 0.00942809, 1e-6);
}

TEST(StreamingReport, is_the_published_one_to_the_character) {
  EXPECT_EQ(streaming_report(streaming_statistics(100.5, arrivals())),
            R"(======================================================================
STREAMING CLIENT STATISTICS
======================================================================
Total Frames Received: 11
Total Duration: 0.40s
Streaming Latency: 0.50s (time to first frame)
Average FPS: 27.5
Total Data: 0.5 MB
Average Frame Size: 50.0 KB
Bandwidth: 11.3 Mbps

FRAME INTERVALS:
  Count: 10
  Mean: 40.0ms
  Median: 40.0ms
  Std Dev: 9.4ms
  Min: 20.0ms
  Max: 60.0ms

REAL-TIME SUITABILITY:
✅ Frame rate suitable for real-time (27.5 >= 22.5 FPS)
✅ Streaming latency acceptable (0.5s <= 3.0s)
✅ Frame intervals consistent (40.0ms <= 60.0ms)
======================================================================
)");
}

TEST(StreamingReport, says_what_is_below_the_targets) {
  const std::vector<FrameArrival> slow{{10, 1000, 0.002}, {11, 1000, 0.004}};
  const std::string report = streaming_report(streaming_statistics(0, slow), /*with_decode_times=*/true);
  EXPECT_THAT(report, HasSubstr("⚠️  Frame rate below target (2.0 < 22.5 FPS)\n"));
  EXPECT_THAT(report, HasSubstr("⚠️  Streaming latency high (10.0s > 3.0s)\n"));
  EXPECT_THAT(report, HasSubstr("⚠️  Frame intervals inconsistent (1000.0ms > 60.0ms)\n"));
  EXPECT_THAT(report, HasSubstr("\nDECODE TIMES:\n  Mean: 3.0ms\n  Median: 3.0ms\n  Std Dev: 1.4ms\n"));
}

TEST(StreamingReport, tells_of_one_frame_and_of_none) {
  EXPECT_EQ(streaming_report(streaming_statistics(0, {})), "❌ No frames received\n");
  const std::vector<FrameArrival> one{{1, 1024, 0}};
  EXPECT_THAT(streaming_report(streaming_statistics(0, one)), HasSubstr("Average FPS: 0.0\n"));
}

}  // namespace
}  // namespace rushes::app
