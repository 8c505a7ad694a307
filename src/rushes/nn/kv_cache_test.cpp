#include "rushes/nn/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

constexpr int64_t kTokensPerFrame = 2;

KvCache::Options token_window(int64_t capacity, int64_t sink) {
  return {.layers = 2,
          .heads = 1,
          .head_size = 2,
          .tokens_per_frame = kTokensPerFrame,
          .capacity_tokens = capacity,
          .sink_latent_frames = sink,
          .evicts = true};
}

KvCache::Options window(int64_t capacity_frames, int64_t sink) {
  return token_window(capacity_frames * kTokensPerFrame, sink);
}

/// Keys of latent frames [begin, end) that carry their token's number, so that contents can be read off.
at::Tensor numbered(int64_t begin_frame, int64_t end_frame, double offset = 0) {
  const at::Tensor numbers =
      at::arange(begin_frame * kTokensPerFrame, end_frame * kTokensPerFrame, at::TensorOptions(at::kFloat)) + offset;
  return numbers.view({1, -1, 1, 1}).expand({1, -1, 1, 2}).contiguous();
}

std::vector<float> numbers_in(const at::Tensor& k) {
  const at::Tensor flat = k.select(3, 0).flatten().contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

std::vector<float> write_block(KvCache& cache, int64_t begin_frame, int64_t end_frame, double offset = 0) {
  const at::Tensor k = numbered(begin_frame, end_frame, offset);
  cache.write(0, k, -k);
  return numbers_in(cache.write(1, k, -k).k);
}

/// The reference: storage in order of time that is shifted left when it is full.
struct Shifting {
  int64_t capacity_tokens, sink;
  std::vector<float> held;
  void append(int64_t begin_frame, int64_t end_frame) {
    for (float n : numbers_in(numbered(begin_frame, end_frame))) held.push_back(n);
    const int64_t evict = static_cast<int64_t>(held.size()) - capacity_tokens;
    if (evict > 0) held.erase(held.begin() + sink * kTokensPerFrame, held.begin() + sink * kTokensPerFrame + evict);
  }
};

TEST(KvCache, evicting_by_turning_holds_what_evicting_by_shifting_holds) {
  struct Variant {
    const char* name;
    int64_t capacity_tokens, sink;
    std::vector<int64_t> blocks;
  };
  const Variant variants[] = {{"no sink", 12, 0, {3, 3, 3, 3, 3}},
                              {"sink, uneven window", 14, 1, {3, 3, 3, 3, 3, 3}},
                              {"sink larger than a block", 18, 4, {3, 3, 3, 3, 3, 3, 3, 3}},
                              {"changing blocks", 10, 2, {1, 3, 2, 3, 1, 1, 3, 3, 2}},
                              {"half a latent frame", 9, 0, {3, 3, 3, 3, 3}},
                              {"half a latent frame and a sink", 11, 1, {3, 1, 3, 2, 3, 3}}};
  for (const Variant& variant : variants) {
    SCOPED_TRACE(variant.name);
    KvCache cache(token_window(variant.capacity_tokens, variant.sink), at::TensorOptions(at::kFloat));
    Shifting reference{variant.capacity_tokens, variant.sink, {}};
    int64_t begin = 0;
    for (const int64_t frames : variant.blocks) {
      reference.append(begin, begin + frames);
      write_block(cache, begin, begin + frames, 0.25);  // a noisy step first
      EXPECT_THAT(write_block(cache, begin, begin + frames), testing::UnorderedElementsAreArray(reference.held));
      begin += frames;
      EXPECT_EQ(cache.global_end(), begin * kTokensPerFrame);
      EXPECT_EQ(cache.local_end(), static_cast<int64_t>(reference.held.size()));
      cache.commit();
      std::vector<float> padded = reference.held;
      padded.resize(variant.capacity_tokens, 0);
      EXPECT_EQ(numbers_in(cache.in_time_order(1).k), padded);
      EXPECT_EQ(numbers_in(-cache.in_time_order(1).v), padded);
    }
  }
}

TEST(KvCache, eviction_moves_nothing_and_returns_views_of_one_storage) {
  KvCache cache(window(6, 1), at::TensorOptions(at::kFloat));
  const at::Tensor first = cache.write(0, numbered(0, 3), numbered(0, 3)).k;
  for (int64_t begin = 0; begin < 30; begin += 3) {
    write_block(cache, begin, begin + 3);
    EXPECT_EQ(cache.write(0, numbered(begin, begin + 3), numbered(begin, begin + 3)).k.const_data_ptr(),
              first.const_data_ptr());
    cache.commit();
  }
}

TEST(KvCache, a_cancelled_step_leaves_no_trace) {
  for (const int64_t blocks_before : {0, 1, 2, 5}) {
    KvCache cancelled(window(7, 1), at::TensorOptions(at::kFloat)),
        untouched(window(7, 1), at::TensorOptions(at::kFloat));
    for (KvCache* cache : {&cancelled, &untouched})
      for (int64_t b = 0; b < blocks_before; ++b) {
        write_block(*cache, 3 * b, 3 * b + 3);
        cache->commit();
      }
    write_block(cancelled, 3 * blocks_before, 3 * blocks_before + 3, 0.5);
    cancelled.cancel();
    EXPECT_EQ(cancelled.position_tokens(), untouched.position_tokens());
    EXPECT_EQ(write_block(cancelled, 3 * blocks_before, 3 * blocks_before + 3),
              write_block(untouched, 3 * blocks_before, 3 * blocks_before + 3));
  }
}

TEST(KvCache, a_smaller_block_after_a_cancelled_one_never_sees_it) {
  KvCache cache(window(6, 0), at::TensorOptions(at::kFloat));
  for (int64_t begin : {0, 3}) {
    write_block(cache, begin, begin + 3);
    cache.commit();
  }
  write_block(cache, 6, 9, 0.5);  // displaces frames 0 to 2
  cache.cancel();
  EXPECT_THAT(write_block(cache, 6, 7), testing::UnorderedElementsAreArray(numbers_in(numbered(3, 7))));
}

TEST(KvCache, a_fork_continues_independently) {
  KvCache trunk(window(6, 0), at::TensorOptions(at::kFloat));
  write_block(trunk, 0, 3);
  trunk.commit();
  KvCache branch = trunk.fork();
  EXPECT_EQ(branch.in_time_order(0).k.equal(trunk.in_time_order(0).k), true);
  const auto seen = write_block(branch, 3, 6, 0.5);
  EXPECT_THAT(write_block(trunk, 3, 6), testing::UnorderedElementsAreArray(numbers_in(numbered(0, 6))));
  EXPECT_EQ(write_block(branch, 3, 6, 0.5), seen);
  branch.commit();
  EXPECT_EQ(trunk.position_latent_frames(), 3);
  EXPECT_EQ(branch.position_latent_frames(), 6);
}

TEST(KvCache, gradients_reach_the_block_and_not_its_past) {
  KvCache cache(window(6, 0), at::TensorOptions(at::kFloat));
  write_block(cache, 0, 3);
  cache.commit();
  at::Tensor k = numbered(3, 6).requires_grad_(true);
  const KeyValue seen = cache.write(0, k, k);
  EXPECT_EQ(numbers_in(seen.k.detach()), numbers_in(numbered(0, 6)));
  seen.k.sum().backward();
  EXPECT_TRUE(k.grad().eq(1).all().item<bool>());
}

TEST(KvCache, tells_what_is_wrong) {
  struct Bad {
    const char* name;
    std::function<void()> call;
    ErrorCode code;
    const char* words;
  };
  KvCache::Options full = window(4, 0);
  full.evicts = false;
  KvCache bounded(full, at::TensorOptions(at::kFloat)), rolling(window(4, 2), at::TensorOptions(at::kFloat));
  write_block(bounded, 0, 3);
  bounded.commit();
  write_block(rolling, 0, 4);
  rolling.commit();
  const Bad table[] = {
      {"full", [&] { write_block(bounded, 3, 6); }, ErrorCode::exhausted, "holds 4 latent frames"},
      {"block larger than the window", [&] { write_block(rolling, 4, 7); }, ErrorCode::invalid_argument,
       "does not fit"},
      {"head size",
       [&] {
         rolling.write(0, at::zeros({1, 2, 1, 3}), at::zeros({1, 2, 1, 3}));
       },
       ErrorCode::invalid_argument, "[1, L, 1, 2]"},
      {"sink", [&] { KvCache(window(4, 4), at::TensorOptions(at::kFloat)); }, ErrorCode::invalid_argument, "0..3"}};
  for (const Bad& bad : table) {
    SCOPED_TRACE(bad.name);
    try {
      bad.call();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), bad.code);
      EXPECT_THAT(error.what(), testing::HasSubstr(bad.words));
    }
  }
}

}  // namespace
}  // namespace rushes::nn
