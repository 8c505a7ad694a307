// Every golden case of the project at its float32 tolerance and at its bfloat16 bound, one test each.
#include <gtest/gtest.h>

#include "rushes/verify/case.h"

namespace rushes::verify {
namespace {

class Golden : public testing::TestWithParam<std::filesystem::path> {};

void expect_passed(const CaseResult& result) {
  EXPECT_TRUE(result.error.empty()) << result.error;
  for (const TensorResult& tensor : result.tensors)
    EXPECT_TRUE(tensor.passed) << tensor.name << ": max abs error " << tensor.max_abs_error << ", "
                               << tensor.worst_ratio << " x tolerance; " << tensor.detail;
  for (const Check& check : result.checks) EXPECT_TRUE(check.passed) << check.what << ": " << check.detail;
  EXPECT_TRUE(result.passed);
}

TEST_P(Golden, passes_in_float32) { expect_passed(run_case(GetParam(), Target{})); }

TEST_P(Golden, passes_in_bfloat16) { expect_passed(run_case(GetParam(), Target{.dtype = at::kBFloat16})); }

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
  return info.param.parent_path().filename().string() + "_" + info.param.filename().string();
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(find_cases(RUSHES_SOURCE_DIR "/tests/golden")), test_name);

}  // namespace
}  // namespace rushes::verify
