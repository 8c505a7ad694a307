#include "rushes/base/memory_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace rushes::base {
namespace {

TEST(MemoryBudget, gives_no_more_than_it_has_and_counts_who_was_refused) {
  const MemoryBudget budget(100);
  auto first = budget.charge(), second = budget.charge();
  EXPECT_TRUE(first.resize(60));
  EXPECT_FALSE(second.resize(41));
  EXPECT_EQ(second.bytes(), 0);
  EXPECT_TRUE(second.resize(40));
  EXPECT_EQ(budget.used(), 100);
  EXPECT_TRUE(first.resize(10));
  EXPECT_TRUE(second.resize(90));
  EXPECT_EQ(budget.refused(), 1);
}

TEST(MemoryBudget, gets_back_what_ends_and_not_what_was_moved) {
  const MemoryBudget budget(100);
  {
    auto charge = budget.charge();
    EXPECT_TRUE(charge.resize(70));
    auto moved = std::move(charge);
    EXPECT_EQ(budget.used(), 70);
    moved = budget.charge();
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(MemoryBudget, is_ended_before_its_charges) {
  MemoryBudget::Charge charge;
  EXPECT_TRUE(charge.resize(1'000));
  {
    const MemoryBudget budget(10);
    charge = budget.charge();
    EXPECT_TRUE(charge.resize(5));
  }
  EXPECT_FALSE(charge.resize(11));
}

TEST(MemoryBudget, holds_with_many_threads) {
  const MemoryBudget budget(1'000);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        auto charge = budget.charge();
        if (charge.resize(400)) {
          EXPECT_LE(budget.used(), 1'000);
        }
      }
    });
  threads.clear();
  EXPECT_EQ(budget.used(), 0);
}

}  // namespace
}  // namespace rushes::base
