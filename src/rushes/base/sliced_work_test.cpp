#include "rushes/base/sliced_work.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"

namespace rushes::base {
namespace {

constexpr auto kNever = [] { return false; };
constexpr auto kAtOnce = [] { return true; };

TEST(SlicedWork, goes_on_from_one_interruption_point_to_the_next_while_its_owner_waits) {
  SlicedWork work;
  std::string done;
  work.begin([&] {
    for (const char* part : {"a", "b", "c"}) {
      done += part;
      interruption_point();
    }
  });
  EXPECT_TRUE(work.in_progress());
  EXPECT_EQ(done, "");
  EXPECT_FALSE(work.advance(kAtOnce));
  EXPECT_EQ(done, "a");
  done += "-";
  EXPECT_FALSE(work.advance(kAtOnce));
  EXPECT_EQ(done, "a-b");
  EXPECT_TRUE(work.advance(kNever));
  EXPECT_EQ(done, "a-bc");
  EXPECT_FALSE(work.in_progress());
}

TEST(SlicedWork, can_be_given_more_when_it_is_done) {
  SlicedWork work;
  int runs = 0;
  for (int i = 0; i < 3; ++i) {
    work.begin([&] { ++runs; });
    EXPECT_TRUE(work.advance(kAtOnce));
  }
  EXPECT_EQ(runs, 3);
}

TEST(SlicedWork, its_failure_is_thrown_to_its_owner_and_ends_it) {
  SlicedWork work;
  work.begin([] {
    interruption_point();
    throw std::runtime_error("broken");
  });
  EXPECT_FALSE(work.advance(kAtOnce));
  EXPECT_THROW(work.advance(kNever), std::runtime_error);
  EXPECT_FALSE(work.in_progress());
  work.begin([] {});
  EXPECT_TRUE(work.advance(kNever));
}

TEST(SlicedWork, is_given_up_where_it_rests) {
  auto held = std::make_shared<int>(1);
  bool went_on = false;
  {
    SlicedWork work;
    work.begin([&went_on, held] {
      interruption_point();
      went_on = true;
    });
    EXPECT_FALSE(work.advance(kAtOnce));
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(went_on);
}

TEST(SlicedWork, begun_and_never_advanced_leaves_nothing) {
  SlicedWork work;
  work.begin([] { FAIL(); });
}

TEST(SlicedWork, ends_with_its_owner_at_the_next_of_its_points) {
  bool wanted = true;
  const Interruptible owner([&] {
    if (!wanted) throw Interrupted();
  });
  SlicedWork work;
  work.begin([&] {
    wanted = false;
    for (;;) interruption_point();  // without end
  });
  EXPECT_THROW(work.advance(kNever), Interrupted);
  EXPECT_TRUE(work.in_progress());
}

}  // namespace
}  // namespace rushes::base
