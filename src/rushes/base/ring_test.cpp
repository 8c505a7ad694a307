#include "rushes/base/ring.h"

#include <gtest/gtest.h>

#include <thread>

namespace rushes::base {
namespace {

using Numbers = Ring<int>;

std::shared_ptr<const int> value(int64_t i) { return std::make_shared<const int>(static_cast<int>(i)); }

TEST(Ring, keeps_the_newest_up_to_its_capacity_and_at_least_one) {
  Numbers ring(10);
  for (int64_t i = 0; i < 5; ++i) ring.push(value(i), 4);
  EXPECT_EQ(ring.size(), 5);
  EXPECT_EQ(ring.oldest(), 3);
  EXPECT_EQ(ring.at(2), nullptr);
  EXPECT_EQ(*ring.at(3), 3);
  EXPECT_EQ(ring.at(5), nullptr);
  EXPECT_EQ(ring.at(-1), nullptr);
  ring.push(value(5), 100);
  EXPECT_EQ(ring.oldest(), 5);
  EXPECT_EQ(*ring.at(5), 5);
}

TEST(Ring, moves_a_slow_reader_forward_to_the_newest_entry) {
  const auto ring = std::make_shared<Numbers>(3);
  Cursor<int> slow(ring, 0);
  for (int64_t i = 0; i < 9; ++i) ring->push(value(i), 1, i % 4 == 0 ? Numbers::Entry::yes : Numbers::Entry::no);
  EXPECT_EQ(ring->newest_entry(), 8);
  EXPECT_EQ(*slow.poll(), 8);
  EXPECT_EQ(slow.skipped(), 8);
  EXPECT_EQ(ring->skipped(), 8);
  EXPECT_EQ(slow.poll(), nullptr);
  EXPECT_FALSE(slow.ended());
  ring->end();
  EXPECT_TRUE(slow.ended());
}

TEST(Ring, recalls_what_has_left_memory_up_to_the_first_that_cannot_be_recalled) {
  const auto ring = std::make_shared<Numbers>(1, value);
  Cursor<int> slow(ring, 0);
  for (int64_t i = 0; i < 6; ++i)
    ring->push(value(i), 1, Numbers::Entry::yes, i == 3 ? Numbers::Recallable::no : Numbers::Recallable::yes);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*slow.poll(), i);
  EXPECT_EQ(*slow.poll(), 5);
  EXPECT_EQ(slow.skipped(), 2);
  EXPECT_EQ(ring->oldest(), 5);
  EXPECT_EQ(ring->at(4), nullptr);
}

TEST(Ring, gives_all_that_can_be_recalled_when_it_has_forgotten_everything) {
  const auto ring = std::make_shared<Numbers>(100, value, 2);
  EXPECT_EQ(ring->newest_entry(), 1);
  ring->push(value(2), 1, Numbers::Entry::yes, Numbers::Recallable::yes);
  ring->forget();
  ring->end();
  EXPECT_EQ(ring->oldest(), 0);
  Cursor<int> reader(ring, 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*reader.next({}), i);
  EXPECT_EQ(reader.next({}), nullptr);
}

TEST(Ring, wakes_those_who_wait_and_tells_those_who_asked_to_be_told) {
  const auto ring = std::make_shared<Numbers>(10);
  int told = 0;
  {
    Cursor<int> reader(ring, 0, [&] { ++told; });
    Cursor<int> quiet(ring, 0);
    EXPECT_EQ(ring->readers(), 2u);
    std::jthread writer([&] { ring->push(value(7), 1); });
    EXPECT_EQ(*reader.next({}), 7);
    writer.join();
    ring->end();
    EXPECT_EQ(told, 2);
  }
  EXPECT_EQ(ring->readers(), 0u);
  EXPECT_TRUE(ring->wait_until_ended(std::chrono::milliseconds(0)));
}

TEST(Ring, a_stop_request_ends_a_waiting_reader) {
  const auto ring = std::make_shared<Numbers>(10);
  std::jthread reader([&](const std::stop_token& stop) { EXPECT_EQ(Cursor<int>(ring, 0).next(stop), nullptr); });
  reader.request_stop();
}

}  // namespace
}  // namespace rushes::base
