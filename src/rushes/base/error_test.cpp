#include "rushes/base/error.h"

#include <gtest/gtest.h>

namespace rushes {
namespace {

TEST(Error, carries_its_code_and_the_formatted_message) {
  try {
    require(false, ErrorCode::not_found, "no session '{}'; have {}", "abc", 3);
    FAIL() << "require did not throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_STREQ(error.what(), "no session 'abc'; have 3");
  }
}

TEST(Error, a_true_condition_throws_nothing) { EXPECT_NO_THROW(require(true, ErrorCode::internal, "never")); }

TEST(Error, what_the_user_can_mend_exits_with_2) {
  EXPECT_EQ(exit_code(ErrorCode::invalid_argument), 2);
  EXPECT_EQ(exit_code(ErrorCode::corrupt_data), 2);
  EXPECT_EQ(exit_code(ErrorCode::exhausted), 1);
  EXPECT_EQ(exit_code(ErrorCode::internal), 1);
  EXPECT_EQ(exit_code(ErrorCode::cancelled), 130);
}

}  // namespace
}  // namespace rushes
