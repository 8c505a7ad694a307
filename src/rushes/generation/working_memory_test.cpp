#include "rushes/generation/working_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"

namespace rushes::generation {
namespace {

using ::testing::HasSubstr;

struct Sized final : Plan {
  explicit Sized(int64_t bytes) { working_bytes = bytes; }
  VideoFormat format() const override { return {.height = 768, .width = 640}; }
};

TEST(WorkingMemory, of_this_computer_is_known) {
  EXPECT_GT(memory_of_machine(), int64_t{256} << 20);
  EXPECT_LT(memory_of_machine(), int64_t{1} << 50);
}

TEST(WorkingMemory, beyond_what_there_is_is_refused_with_size_and_remedy) {
  constexpr int64_t kMost = int64_t{1} << 30;
  EXPECT_NO_THROW(require_memory(Sized(kMost), kMost, "this computer has"));
  try {
    require_memory(Sized(kMost * 3 / 2), kMost, "this server allows (--max-memory-mib)");
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::too_large);
    EXPECT_THAT(error.what(), HasSubstr("640x768 need about 1.5 GiB of memory, more than the 1.0 GiB that this server "
                                        "allows (--max-memory-mib); ask for fewer frames or a smaller size"));
  }
}

}  // namespace
}  // namespace rushes::generation
