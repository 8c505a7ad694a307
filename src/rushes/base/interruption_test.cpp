#include "rushes/base/interruption.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "rushes/base/stop_signal.h"

namespace rushes::base {
namespace {

TEST(Interruption, nothing_happens_at_a_point_where_nobody_asked_for_it) { EXPECT_NO_THROW(interruption_point()); }

TEST(Interruption, of_nested_scopes_the_innermost_counts) {
  int outer = 0, inner = 0;
  const Interruptible first([&] { ++outer; });
  interruption_point();
  {
    const Interruptible second([&] { ++inner; });
    interruption_point();
  }
  interruption_point();
  EXPECT_EQ(outer, 2);
  EXPECT_EQ(inner, 1);
}

TEST(Interruption, is_of_one_thread) {
  const Interruptible here([] { throw Interrupted(); });
  std::thread([] { EXPECT_NO_THROW(interruption_point()); }).join();
  EXPECT_THROW(interruption_point(), Interrupted);
}

TEST(Interruption, ends_only_the_work_below_its_scope) {
  int done = 0;
  try {
    const Interruptible scope([&] {
      if (done == 3) throw Interrupted();
    });
    for (;; ++done) interruption_point();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
  EXPECT_EQ(done, 3);
  EXPECT_NO_THROW(interruption_point());
}

/// In a process of its own, which is sent `number` by itself.
template <typename Work>
void expect_exit(int number, int code, Work work) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        std::raise(number);
        const Interruptible scope(end_if_stopped);
        work();
        std::_Exit(7);
      },
      testing::ExitedWithCode(code), "stopping");
}

TEST(StopSignals, the_first_ends_work_at_its_next_point) {
  for (const int number : {SIGINT, SIGTERM})
    expect_exit(number, 128 + number, [] {
      try {
        interruption_point();
      } catch (const Interrupted&) {
        std::_Exit(128 + stop_signal());
      }
    });
}

TEST(StopSignals, the_second_ends_the_process_at_once) {
  expect_exit(SIGINT, 143, [] { std::raise(SIGTERM); });
}

TEST(StopSignals, work_without_points_ends_soon) {
  expect_exit(SIGTERM, 143, [] {
    for (;;) ::pause();
  });
}

TEST(StopSignals, can_be_noted_only) {
  EXPECT_EXIT(
      {
        catch_stop_signals(OnStop::note);
        std::raise(SIGTERM);
        const Interruptible scope(end_if_stopped);
        interruption_point();
        std::_Exit(stop_signal());
      },
      testing::ExitedWithCode(SIGTERM), "stopping");
}

}  // namespace
}  // namespace rushes::base
