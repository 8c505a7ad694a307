#include "rushes/generation/sample_tape.h"

#include <gtest/gtest.h>

#include <numeric>

#include "rushes/generation/heap_in_use.h"

namespace rushes::generation {
namespace {

/// Each sample tells its place.
std::vector<float> counting(int64_t first, int64_t end) {
  std::vector<float> samples(static_cast<std::size_t>(end - first));
  std::iota(samples.begin(), samples.end(), static_cast<float>(first));
  return samples;
}

TEST(SampleTape, samples_are_the_same_in_whatever_pieces_they_came) {
  constexpr int64_t kSamples = 100'000;
  SampleTape whole, pieces;
  whole.add(counting(0, kSamples));
  for (int64_t at = 0, size = 1; at < kSamples; at += size, size = size * 3 % 40'009)
    pieces.add(counting(at, std::min(kSamples, at + size)));
  for (const SampleTape* tape : {&whole, &pieces}) {
    EXPECT_EQ(tape->end(), kSamples);
    for (const auto& [first, end] : {std::pair<int64_t, int64_t>{0, kSamples},
                                     {0, 1},
                                     {16'383, 16'385},
                                     {30'000, 70'000},
                                     {99'999, 100'000},
                                     {5, 5}})
      EXPECT_EQ(tape->samples(first, end), counting(first, end)) << first << " to " << end;
    EXPECT_EQ(tape->samples(99'990, 200'000), counting(99'990, kSamples));
    EXPECT_TRUE(tape->samples(70, 60).empty());
    EXPECT_TRUE(tape->samples(kSamples, kSamples + 1).empty());
  }
}

TEST(SampleTape, what_is_forgotten_keeps_its_numbers_and_gives_its_memory_back) {
  SampleTape tape;
  for (int64_t at = 0; at < 16'000 * 100; at += 640) {
    tape.add(counting(at, at + 640));
    tape.forget_before(at - 16'000);
    EXPECT_LE(tape.bytes(), (16'000 + 2 * 640) * 4);
  }
  EXPECT_EQ(tape.samples(16'000 * 99 + 1, 16'000 * 100), counting(16'000 * 99 + 1, 16'000 * 100));
  tape.forget_before(16'000 * 200);
  EXPECT_EQ(tape.end(), 16'000 * 100);
  EXPECT_EQ(tape.bytes(), 0);
  tape.add(counting(0, 10));
  EXPECT_EQ(tape.samples(16'000 * 100, 16'000 * 100 + 10), counting(0, 10));
}

TEST(SampleTape, it_is_padded_with_silence_up_to_a_sample) {
  SampleTape tape;
  tape.add(counting(1, 3));
  tape.pad(2);
  EXPECT_EQ(tape.end(), 2);
  tape.pad(50'000);
  EXPECT_EQ(tape.end(), 50'000);
  EXPECT_EQ(tape.samples(0, 4), (std::vector<float>{1, 2, 0, 0}));
  EXPECT_EQ(tape.samples(2, 50'000), std::vector<float>(49'998, 0.0f));
}

TEST(SampleTape, copies_share_what_was_said_before_and_nothing_of_what_is_said_later) {
  constexpr int64_t kTenMinutes = 16'000 * 600;
  SampleTape tape;
  tape.add(counting(0, kTenMinutes));
  const int64_t before = heap_in_use();
  std::vector<SampleTape> copies(100, tape);
  EXPECT_LT(heap_in_use() - before, kTenMinutes * static_cast<int64_t>(sizeof(float)) / 2) << "of 100 copies";
  copies.front().add(counting(0, 1));
  tape.forget_before(kTenMinutes);
  EXPECT_EQ(copies.front().end(), kTenMinutes + 1);
  EXPECT_EQ(copies.back().end(), kTenMinutes);
  EXPECT_EQ(copies.back().samples(kTenMinutes - 2, kTenMinutes), counting(kTenMinutes - 2, kTenMinutes));
}

}  // namespace
}  // namespace rushes::generation
