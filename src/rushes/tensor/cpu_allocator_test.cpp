#include "rushes/tensor/cpu_allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

constexpr int64_t kMiB = 1 << 20;

at::Tensor bytes(int64_t count) { return at::empty({count}, at::TensorOptions(at::kByte)); }

class CpuAllocator : public testing::Test {
 protected:
  void SetUp() override { install_cpu_allocator(); }
  void TearDown() override {
    install_cpu_allocator();
    trim_cpu_memory();
  }
};

TEST_F(CpuAllocator, a_freed_block_serves_the_next_tensor) {
  const auto address = [](const at::Tensor& x) { return reinterpret_cast<intptr_t>(x.const_data_ptr()); };
  const intptr_t first = address(bytes(10 * kMiB));
  const CpuMemory before = cpu_memory();
  const at::Tensor second = bytes(9 * kMiB);
  EXPECT_LT(std::abs(address(second) - first), 8192);  // data begin at changing places of a block's first page
  EXPECT_EQ(cpu_memory().reused_blocks, before.reused_blocks + 1);
  EXPECT_LT(cpu_memory().kept_bytes, before.kept_bytes);
}

TEST_F(CpuAllocator, a_much_larger_block_is_not_wasted_on_a_small_tensor) {
  trim_cpu_memory();
  bytes(64 * kMiB);
  const CpuMemory before = cpu_memory();
  const at::Tensor small = bytes(2 * kMiB);
  EXPECT_EQ(cpu_memory().reused_blocks, before.reused_blocks);
}

TEST_F(CpuAllocator, counts_what_tensors_hold) {
  const int64_t before = cpu_memory().used_bytes;
  {
    const at::Tensor large = bytes(5 * kMiB), small = bytes(1000);
    EXPECT_GE(cpu_memory().used_bytes, before + 5 * kMiB + 1000);
    EXPECT_LE(cpu_memory().used_bytes, before + 7 * kMiB);
  }
  EXPECT_EQ(cpu_memory().used_bytes, before);
  EXPECT_GE(cpu_memory().peak_bytes, before + 5 * kMiB);
  forget_cpu_peak();
  EXPECT_EQ(cpu_memory().peak_bytes, cpu_memory().used_bytes);
}

TEST_F(CpuAllocator, lets_work_be_interrupted_at_each_large_tensor) {
  const int64_t before = cpu_memory().used_bytes;
  {
    const at::Tensor x = bytes(5 * kMiB);
    const base::Interruptible interruptible([] { throw base::Interrupted(); });
    EXPECT_NO_THROW(bytes(1000));
    EXPECT_THROW(bytes(5 * kMiB), base::Interrupted);
    EXPECT_THROW(at::add(x, 1), base::Interrupted);
  }
  EXPECT_EQ(cpu_memory().used_bytes, before);
}

TEST_F(CpuAllocator, refuses_what_exceeds_the_limit_and_goes_on) {
  install_cpu_allocator({.limit_bytes = cpu_memory().used_bytes + 8 * kMiB});
  try {
    bytes(20 * kMiB);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_THAT(error.what(), testing::HasSubstr("the limit is"));
  }
  EXPECT_EQ(bytes(4 * kMiB).numel(), 4 * kMiB);
}

TEST_F(CpuAllocator, keeps_no_more_than_it_may) {
  trim_cpu_memory();
  install_cpu_allocator({.kept_bytes = 16 * kMiB});
  { const at::Tensor a = bytes(10 * kMiB), b = bytes(10 * kMiB), c = bytes(3 * kMiB); }
  EXPECT_LE(cpu_memory().kept_bytes, 16 * kMiB);
  trim_cpu_memory();
  EXPECT_EQ(cpu_memory().kept_bytes, 0);
}

TEST_F(CpuAllocator, gives_back_what_was_of_no_use_for_long) {
  trim_cpu_memory();
  { const at::Tensor a = bytes(40 * kMiB), b = bytes(2 * kMiB), c = bytes(2 * kMiB); }
  EXPECT_GE(cpu_memory().kept_bytes, 44 * kMiB);
  for (int i = 0; i < 30'000; ++i) bytes(2 * kMiB);  // uses one of the two
  EXPECT_LE(cpu_memory().kept_bytes, 4 * kMiB);
  EXPECT_GE(cpu_memory().kept_bytes, 2 * kMiB);
}

TEST_F(CpuAllocator, data_is_aligned_and_empty_tensors_work) {
  EXPECT_EQ(at::empty({0}, at::TensorOptions(at::kFloat)).numel(), 0);
  for (const int64_t size : {int64_t{1}, int64_t{100}, kMiB - 64, kMiB, 3 * kMiB})
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes(size).const_data_ptr()) % 64, 0u) << size;
}

TEST_F(CpuAllocator, threads_may_free_what_others_took) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) {
        at::Tensor x = at::ones({(i % 5 + 1) * kMiB / 4}, at::TensorOptions(at::kFloat));
        std::thread([x = std::move(x)] { EXPECT_EQ(x[-1].item<float>(), 1.0f); }).join();
      }
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace rushes::tensor
