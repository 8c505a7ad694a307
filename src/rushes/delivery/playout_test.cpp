#include "rushes/delivery/playout.h"

#include <gtest/gtest.h>

namespace rushes::delivery {
namespace {

using namespace std::chrono_literals;
using Time = Playout::Time;

constexpr Time kBlock = 200ms;

struct Broadcast {
  bool heard;
  Playout playout = {};
  int64_t blocks = 0;
  Time first{0};  // in the video
  Time come(Time now) {
    const Time begin = first + blocks++ * kBlock;
    playout.come({.begin = begin, .end = begin + kBlock, .at_live_end = true, .heard = heard}, now);
    EXPECT_GE(playout.start().value() + begin, now) << "a block is never due before it is there";
    return playout.start().value();
  }
};

TEST(Playout, the_first_block_is_shown_at_once_and_what_is_in_time_follows_it) {
  for (const bool heard : {false, true}) {
    Broadcast broadcast{heard};
    const Time start = heard ? 7s + Playout::kAudioUnit : Time(7s);  // sound lags a little behind its pictures
    EXPECT_EQ(broadcast.come(7s), start);
    for (int64_t i = 1; i < 5; ++i) EXPECT_EQ(broadcast.come(7s + i * kBlock - 3ms), start);
  }
}

TEST(Playout, a_video_that_is_older_than_the_clock_keeps_its_times_like_any_other) {
  for (const bool heard : {false, true}) {
    SCOPED_TRACE(heard);
    Broadcast young{heard}, old{heard};
    old.first = 1h;  // its picture of time 0 was due long before the clock began
    young.come(1s);
    old.come(1s);
    for (int64_t i = 1; i < 20; ++i) {
      const Time now = 1s + i * kBlock + (i == 7 ? 300ms : -3ms);  // one of them late
      EXPECT_EQ(old.come(now), young.come(now) - old.first) << i;
    }
  }
}

TEST(Playout, a_late_block_moves_pictures_at_once_and_sound_by_whole_units) {
  Broadcast silent{false}, heard{true};
  silent.come(1s);
  heard.come(1s);
  EXPECT_EQ(silent.come(1s + kBlock + 33ms), 1s + 33ms);
  EXPECT_EQ(heard.come(1s + kBlock + 33ms), 1s + 40ms);  // of which it had 20
}

TEST(Playout, a_delay_is_caught_up_slowly_and_never_beyond_what_comes_in_time) {
  for (const bool heard : {false, true}) {
    SCOPED_TRACE(heard);
    Broadcast broadcast{heard};
    broadcast.come(1s);
    broadcast.come(1s + kBlock + 300ms);  // one block late, all others in time
    Time before = broadcast.playout.start().value();
    Time in_a_second{0};
    for (int64_t i = 2; i < 150; ++i) {
      const Time start = broadcast.come(1s + i * kBlock);
      EXPECT_LE(start, before);
      EXPECT_LE(before - start, heard ? Playout::kAudioUnit : kBlock / 20);
      if (heard) {
        EXPECT_EQ((before - start) % Playout::kAudioUnit, 0ms);
      }
      in_a_second += before - start;
      before = start;
      if (i % 5 == 0) {
        EXPECT_LE(in_a_second, 60ms);
        in_a_second = 0ms;
      }
    }
    EXPECT_LE(before, 1s + (heard ? 65ms : 30ms));
    EXPECT_GE(before, 1s);
  }
}

TEST(Playout, what_does_not_come_live_is_never_moved_forward) {
  Playout playout;
  for (int64_t i = 0; i < 100; ++i) {
    playout.come({.begin = i * kBlock, .end = (i + 1) * kBlock}, 5s);
    EXPECT_EQ(playout.start(), Time(5s));
  }
}

}  // namespace
}  // namespace rushes::delivery
