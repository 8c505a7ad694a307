#include "rushes/tensor/dtype.h"

#include <gtest/gtest.h>

#include "rushes/tensor/placement.h"

namespace rushes::tensor {
namespace {

TEST(Dtype, is_called_as_in_options_and_manifests) {
  const std::pair<at::ScalarType, const char*> cases[] = {{at::kFloat, "float32"},
                                                          {at::kDouble, "float64"},
                                                          {at::kHalf, "float16"},
                                                          {at::kBFloat16, "bfloat16"},
                                                          {at::kByte, "uint8"},
                                                          {at::kChar, "int8"},
                                                          {at::kShort, "int16"},
                                                          {at::kInt, "int32"},
                                                          {at::kLong, "int64"},
                                                          {at::kBool, "bool"},
                                                          {at::kFloat8_e4m3fn, "float8_e4m3fn"},
                                                          {at::kUInt16, "uint16"},
                                                          {kUnknownDtype, "unknown"}};
  for (const auto& [dtype, name] : cases) EXPECT_EQ(dtype_name(dtype), name);
  for (const char* word : {"float32", "bfloat16"})
    EXPECT_EQ(place("cpu", word, 0).text(), word + std::string(" on cpu"));
}

}  // namespace
}  // namespace rushes::tensor
