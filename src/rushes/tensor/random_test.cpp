#include "rushes/tensor/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

std::vector<float> draws(uint64_t seed) {
  const at::Tensor values = RandomStream(seed).normal({32});
  return {values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel()};
}

TEST(RandomStream, is_the_reference_frameworks_below_32_bits) {
  for (const uint64_t seed : {0ull, 1ull, 42ull, (1ull << 32) - 1}) {
    const at::Tensor theirs = at::randn({32}, at::detail::createCPUGenerator(seed), at::TensorOptions(at::kFloat));
    EXPECT_TRUE(theirs.equal(RandomStream(seed).normal({32}))) << seed;
  }
}

TEST(RandomStream, has_another_stream_for_each_seed_of_64_bits) {
  std::set<std::vector<float>> streams;
  std::vector<uint64_t> seeds{0, 1, UINT64_MAX};
  for (int bit = 1; bit < 64; ++bit) seeds.push_back(1ull << bit), seeds.push_back((1ull << bit) + 1);
  std::set<uint64_t> all(seeds.begin(), seeds.end());
  for (const uint64_t seed : all) streams.insert(draws(seed));
  EXPECT_EQ(streams.size(), all.size());
  EXPECT_EQ(draws(1ull << 40), draws(1ull << 40));
}

TEST(RandomStream, seeds_the_twister_by_both_words_as_its_authors_do) {
  // Box-Muller of the numbers of Python's random.Random(seed).getrandbits(32), which is seeded in the same way: of
  // draws 0 and 8, and of 7 and 15.
  const struct {
    uint64_t seed;
    float first, sixteenth;
  } rows[] = {{1ull << 32, 0.06265174f, -0.40617329f},
              {(1ull << 53) + 1, -0.54188049f, 0.13826602f},
              {UINT64_MAX, -1.12421350f, -0.45346669f}};
  for (const auto& row : rows) {
    const std::vector<float> values = draws(row.seed);
    EXPECT_NEAR(values[0], row.first, 1e-5) << row.seed;
    EXPECT_NEAR(values[15], row.sixteenth, 1e-5) << row.seed;
  }
}

}  // namespace
}  // namespace rushes::tensor
