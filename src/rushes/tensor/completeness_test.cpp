#include "rushes/tensor/completeness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Shapes kExpected{{"a.weight", {2, 3}}, {"a.bias", {2}}};

WeightMap good() {
  WeightMap weights;
  weights.set("a.weight", at::arange(6).to(at::kFloat).view({2, 3}) - 2);
  weights.set("a.bias", at::ones({2}, at::kHalf));
  return weights;
}

std::string refusal(const WeightMap& weights, Extra extra = Extra::report) {
  try {
    take_complete(weights, kExpected, "'f', part", extra);
  } catch (const Error& error) {
    EXPECT_EQ(name(error.code()), name(ErrorCode::corrupt_data));
    return error.what();
  }
  ADD_FAILURE() << "was taken";
  return "";
}

TEST(Completeness, what_is_not_needed_is_left_out_whatever_it_is_and_refused_on_demand) {
  WeightMap weights = good();
  weights.set("spiece_model", at::zeros({7}, at::kByte));
  weights.set("quant_state", at::empty({2}, at::kUInt16));
  weights.set("steps", at::tensor({int64_t{600}}));
  EXPECT_THAT(extra_keys(weights, kExpected), ElementsAre("quant_state", "spiece_model", "steps"));
  EXPECT_THAT(take_complete(weights, kExpected, "f").keys(), ElementsAre("a.bias", "a.weight"));
  EXPECT_THAT(refusal(weights, Extra::refuse), HasSubstr("not part of this model (3):\n    quant_state"));
}

TEST(Completeness, what_is_missing_or_of_a_type_without_arithmetic_is_named) {
  WeightMap weights = good();
  weights.set("a.weight", at::empty({2, 3}, at::kUInt16));
  EXPECT_THAT(refusal(weights), HasSubstr("a.weight uint16"));
  weights.set("a.weight", at::empty({5}, at::kBits8));  // bytes of a type that the reader does not know
  EXPECT_THAT(refusal(weights), HasSubstr("a.weight unknown"));
  EXPECT_THAT(refusal(WeightMap{}), HasSubstr("missing (2):\n    a.bias\n    a.weight"));
}

TEST(Completeness, more_layers_than_configured_are_a_misfit_not_strays) {
  const Shapes expected{{"blocks.0.w", {1}}, {"blocks.1.w", {1}}};
  WeightMap weights;
  for (const char* key : {"blocks.0.w", "blocks.1.w", "blocks.0.statistics"}) weights.set(key, at::zeros({1}));
  EXPECT_NO_THROW(check_complete(weights, expected, "f"));
  weights.set("blocks.2.w", at::zeros({1}));
  for (const Extra extra : {Extra::report, Extra::refuse}) {
    try {
      check_complete(weights, expected, "f", extra);
      ADD_FAILURE() << "was taken";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("of more layers than it says"));
      EXPECT_THAT(error.what(), HasSubstr("(1):\n    blocks.2.w"));
    }
  }
}

TEST(Completeness, scaled_8_bit_floats_become_numbers) {
  const at::Tensor numbers = good().at("a.weight");
  const at::Tensor rows = at::tensor({0.25F, 3.0F}).view({2, 1});
  const struct {
    const char* name;
    const char* key;
    at::Tensor scale;
  } spellings[] = {{"a scalar", "a.scale_weight", at::full({}, 0.5F)},
                   {"a list of one", "a.scale_weight", at::full({1}, 0.5F)},
                   {"the newer name", "a.weight_scale", at::full({}, 0.5F)},
                   {"one for each row", "a.weight_scale", rows}};
  for (const auto dtype : {at::kFloat8_e4m3fn, at::kFloat8_e5m2})
    for (const auto& spelling : spellings) {
      SCOPED_TRACE(spelling.name);
      WeightMap weights = good();
      weights.set("a.weight", numbers.to(dtype));
      weights.set(spelling.key, spelling.scale);
      weights.set("a.scale_input", at::ones({}));
      weights.set("scaled_fp8", at::empty({2}, dtype));
      const WeightMap taken = take_complete(weights, kExpected, "f", Extra::refuse);
      EXPECT_EQ(taken.at("a.weight").scalar_type(), dtype) << "until it is placed";
      EXPECT_TRUE(taken.to(at::kFloat).at("a.weight").equal(numbers * spelling.scale));
      EXPECT_TRUE(taken.under("a.").to(at::kFloat).to(at::kFloat).at("weight").equal(numbers * spelling.scale));
      EXPECT_TRUE(taken.to(at::kBFloat16).at("a.weight").equal((numbers * spelling.scale).to(at::kBFloat16)));
    }
}

TEST(Completeness, plain_8_bit_floats_stay_as_they_are_until_they_are_placed) {
  WeightMap weights = good();
  weights.set("a.weight", good().at("a.weight").to(at::kFloat8_e4m3fn));
  const WeightMap taken = take_complete(weights, kExpected, "f");
  EXPECT_EQ(taken.at("a.weight").scalar_type(), at::kFloat8_e4m3fn);
  EXPECT_TRUE(taken.to(at::kBFloat16).at("a.weight").equal(good().at("a.weight").to(at::kBFloat16)));
}

TEST(Completeness, a_scale_beside_a_weight_of_full_precision_is_not_used) {
  WeightMap weights = good();
  weights.set("a.scale_weight", at::full({}, 0.5F));
  EXPECT_THAT(extra_keys(weights, kExpected), ElementsAre("a.scale_weight"));
  EXPECT_TRUE(take_complete(weights, kExpected, "f").at("a.weight").equal(good().at("a.weight")));
}

TEST(Completeness, a_scale_that_fits_no_weight_is_named) {
  WeightMap weights = good();
  weights.set("a.weight", good().at("a.weight").to(at::kFloat8_e4m3fn));
  weights.set("a.scale_weight", at::ones({3}));
  EXPECT_THAT(refusal(weights), HasSubstr("the scale 'a.scale_weight' is float32 [3]"));
}

}  // namespace
}  // namespace rushes::tensor
