// For tests: what the error of a call says, and that it is of the kind that was expected.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "rushes/base/error.h"

namespace rushes {

/// Its message; a call that throws none fails the test.
template <typename Call>
std::string message_of(Call call, ErrorCode code = ErrorCode::corrupt_data) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(name(error.code()), name(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace rushes
