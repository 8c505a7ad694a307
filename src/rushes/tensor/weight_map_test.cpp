#include "rushes/tensor/weight_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

WeightMap two_blocks() {
  return WeightMap(
      {{"blocks.0.weight", at::zeros({2, 3})}, {"blocks.1.weight", at::ones({2, 3})}, {"head", at::ones({4})}});
}

TEST(WeightMap, a_part_has_its_keys_without_the_prefix_and_shares_storage) {
  const WeightMap all = two_blocks();
  const WeightMap part = all.under("blocks.1.");
  EXPECT_THAT(part.keys(), testing::ElementsAre("weight"));
  EXPECT_EQ(part.at("weight").data_ptr(), all.at("blocks.1.weight").data_ptr());
}

TEST(WeightMap, a_missing_key_is_named_with_its_whole_path) {
  try {
    two_blocks().under("blocks.").at("7.weight");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt_data);
    EXPECT_THAT(error.what(), testing::HasSubstr("blocks.7.weight"));
  }
}

TEST(WeightMap, a_misshapen_tensor_is_reported_with_both_shapes) {
  try {
    two_blocks().at("head", {5});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("[4]"), testing::HasSubstr("[5]")));
  }
}

}  // namespace
}  // namespace rushes::tensor
