#include "rushes/base/instruction_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "rushes/base/error.h"

namespace rushes {
namespace {

// Each expectation runs in a process of its own, which has asked for nothing yet.
class InstructionSetDeathTest : public testing::Test {
 protected:
  InstructionSetDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  /// What a process with RUSHES_ISA=word computes with, or its error, on standard error.
  [[noreturn]] static void tell(const char* word) {
    ::setenv("RUSHES_ISA", word, 1);  // NOLINT(concurrency-mt-unsafe): a process of its own
    try {
      fmt::print(stderr, "uses {}.\n", name(instruction_set()));
    } catch (const Error& error) {
      fmt::print(stderr, "{}: {}\n", name(error.code()), error.what());
    }
    std::_Exit(0);
  }
};

TEST_F(InstructionSetDeathTest, every_level_of_the_processor_can_be_the_limit) {
  for (const InstructionSet set : processor_instruction_sets())
    EXPECT_EXIT(tell(std::string(name(set)).c_str()), testing::ExitedWithCode(0), fmt::format("uses {}\\.", name(set)));
}

// The variables are set before main, where a program that asked too early would not know its processor.
TEST_F(InstructionSetDeathTest, the_libraries_have_the_limit_from_the_start_of_the_process) {
  const std::pair<InstructionSet, const char*> cases[] = {
      {InstructionSet::avx2, "avx2 AVX2 AVX2"},
      {InstructionSet::avx512, "avx512 AVX512_CORE AVX512"},
      {InstructionSet::avx512_bf16, "avx512 AVX512_CORE_BF16 AVX512"}};
  for (const auto& [set, wanted] : cases) {
    if (set > processor_instruction_sets().back()) continue;
    ::setenv("RUSHES_ISA", std::string(name(set)).c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
    const auto tell_variables = [] {
      for (const char* variable : {"ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"}) {
        const char* value = ::getenv(variable);  // NOLINT(concurrency-mt-unsafe): one thread
        fmt::print(stderr, "{} ", value == nullptr ? "none" : value);
      }
      std::_Exit(0);
    };
    EXPECT_EXIT(tell_variables(), testing::ExitedWithCode(0), wanted);
    ::unsetenv("RUSHES_ISA");  // NOLINT(concurrency-mt-unsafe): one thread
  }
}

TEST_F(InstructionSetDeathTest, without_a_limit_it_is_the_best_of_the_processor) {
  EXPECT_EXIT(tell(""), testing::ExitedWithCode(0),
              fmt::format("uses {}\\.", name(processor_instruction_sets().back())));
}

TEST_F(InstructionSetDeathTest, a_limit_above_the_processor_changes_nothing) {
  EXPECT_EXIT(tell("avx512_bf16"), testing::ExitedWithCode(0),
              fmt::format("uses {}\\.", name(processor_instruction_sets().back())));
}

TEST_F(InstructionSetDeathTest, another_word_is_an_error_that_lists_the_possible_ones) {
  for (const char* word : {"sse4", "AVX2", "avx512 ", "avx10"})
    EXPECT_EXIT(tell(word), testing::ExitedWithCode(0),
                fmt::format("invalid_argument: RUSHES_ISA is '{}'; it must be one of avx2, avx512, avx512_bf16", word));
}

}  // namespace
}  // namespace rushes
