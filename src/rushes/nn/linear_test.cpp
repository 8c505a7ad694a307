#include "rushes/nn/linear.h"

#include <ATen/Version.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rushes/base/instruction_set.h"
#include "rushes/nn/measure.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

Linear layer(int64_t out, int64_t in) {
  return {tensor::WeightMap({{"l.weight", repeatable_randn({out, in})}, {"l.bias", repeatable_randn({out})}}), "l", out,
          in};
}

TEST(Linear, narrow_layers_compute_what_libtorch_does_for_every_remainder_of_their_sides) {
  const c10::InferenceMode inference;
  for (const int64_t rows : {1, 5, 6, 7, 64})
    for (const int64_t in : {1, 3, 8, 96, 512})
      for (const int64_t out : {1, 7, 8, 9, 16, 17, 40, 100})
        for (const Activation activation : {Activation::none, Activation::gelu_tanh}) {
          SCOPED_TRACE(testing::Message() << rows << " x " << in << " to " << out);
          const Linear linear = layer(out, in);
          const at::Tensor x = repeatable_randn({rows, in});
          at::Tensor wanted =
              at::linear(x.to(at::kDouble), linear.weight().to(at::kDouble), linear.bias().to(at::kDouble));
          if (activation == Activation::gelu_tanh) wanted = at::gelu(wanted, "tanh");
          const double error = (linear(x, activation) - wanted.to(at::kFloat)).abs().max().item<double>();
          EXPECT_LT(error, 1e-5 * std::sqrt(static_cast<double>(in)));  // values are about sqrt(in)
        }
}

TEST(Linear, a_row_of_a_narrow_layer_does_not_depend_on_the_rows_beside_it) {
  const c10::InferenceMode inference;
  const Linear linear = layer(289, 97);
  const at::Tensor x = repeatable_randn({3, 35, 97}), together = linear(x, Activation::gelu_tanh);
  for (int64_t b = 0; b < 3; ++b)
    EXPECT_TRUE(at::equal(linear(x.narrow(0, b, 1), Activation::gelu_tanh), together.narrow(0, b, 1)));
  EXPECT_TRUE(at::equal(linear(x.select(0, 1).narrow(0, 34, 1), Activation::gelu_tanh).select(0, 0),
                        together.select(0, 1).select(0, 34)));
}

struct Many {
  int64_t rows, in, out;
};
// Rests of a register, a panel, a block of rows; of a tile, a group of columns; of a register and a block in depth.
constexpr Many kMany[] = {{8, 2048, 33},   {15, 1030, 64},  {16, 258, 257}, {17, 96, 700},   {47, 516, 130},
                          {64, 1024, 127}, {65, 256, 1000}, {100, 90, 731}, {257, 300, 222}, {300, 2, 40'000}};

/// Neither bias nor weights are packed at construction: what is tested serves layers of any kind.
Linear many(const Many& sizes, bool bias, at::ScalarType dtype) {
  return {(repeatable_randn({sizes.out, sizes.in}) / std::sqrt(static_cast<double>(sizes.in))).to(dtype),
          bias ? repeatable_randn({sizes.out}).to(dtype) : at::Tensor()};
}

TEST(Linear, many_rows_become_their_products_for_every_remainder_of_the_sides) {
  const c10::InferenceMode inference;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const Many& sizes : kMany)
      for (const bool bias : {true, false})
        for (const Activation activation : {Activation::none, Activation::gelu_tanh}) {
          SCOPED_TRACE(testing::Message() << sizes.rows << " x " << sizes.in << " to " << sizes.out << ", "
                                          << toString(dtype) << (bias ? ", bias" : ""));
          const Linear linear = many(sizes, bias, dtype);
          const at::Tensor x = repeatable_randn({sizes.rows, sizes.in}).to(dtype);
          at::Tensor wanted = at::matmul(x.to(at::kDouble), linear.weight().to(at::kDouble).t());
          if (bias) wanted += linear.bias().to(at::kDouble);
          if (activation == Activation::gelu_tanh) wanted = at::gelu(wanted, "tanh");
          const at::Tensor found = linear(x, activation);
          EXPECT_EQ(found.scalar_type(), dtype);
          EXPECT_LT(relative_error(found, wanted), dtype == at::kFloat ? 1e-6 : 6e-3);
        }
}

TEST(Linear, many_rows_that_are_not_contiguous_or_of_an_odd_width_are_taken_too) {
  const c10::InferenceMode inference;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const int64_t in : {300, 301}) {
      const Linear linear = many({20, in, 400}, true, dtype);
      const at::Tensor x = repeatable_randn({in, 2, 10}).to(dtype).permute({1, 2, 0});
      const at::Tensor wanted =
          at::linear(x.to(at::kDouble), linear.weight().to(at::kDouble), linear.bias().to(at::kDouble));
      const at::Tensor found = linear(x);
      EXPECT_EQ(found.sizes(), wanted.sizes());
      EXPECT_LT(relative_error(found, wanted), dtype == at::kFloat ? 1e-6 : 4e-3);
    }
}

TEST(Linear, of_many_rows_each_is_the_same_whatever_rows_come_with_it_and_however_many_threads_there_are) {
  if (instruction_set() < InstructionSet::avx512) GTEST_SKIP() << "libtorch's products promise neither";
  const c10::InferenceMode inference;
  const int threads = at::get_num_threads();
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    if (dtype == at::kBFloat16 && instruction_set() < InstructionSet::avx512_bf16) continue;
    const Linear linear = many({600, 700, 300}, true, dtype);
    const at::Tensor x = repeatable_randn({600, 700}).to(dtype), all = linear(x);
    for (const auto& [first, count] : {std::pair{0, 8}, {250, 20}, {300, 300}, {592, 8}})
      EXPECT_TRUE(at::equal(linear(x.narrow(0, first, count)), all.narrow(0, first, count))) << first;
    at::set_num_threads(1);
    EXPECT_TRUE(at::equal(linear(x), all));
    at::set_num_threads(threads);
  }
}

TEST(Linear, libtorch_computes_with_the_instructions_that_ours_are_limited_to) {
  const bool is_wide = instruction_set() > InstructionSet::avx2;
  EXPECT_EQ(at::get_cpu_capability(), is_wide ? "AVX512" : "AVX2");
}

TEST(Linear, takes_inputs_that_are_not_contiguous) {
  const c10::InferenceMode inference;
  const Linear linear = layer(24, 16);
  const at::Tensor x = repeatable_randn({16, 10}).t();
  EXPECT_TRUE(at::equal(linear(x), linear(x.contiguous())));
}

TEST(Linear, trainable_layers_see_changes_of_their_weights_and_have_gradients) {
  const at::Tensor weight = repeatable_randn({8, 4}).set_requires_grad(true), bias = at::zeros({8});
  tensor::WeightMap weights({{"l.weight", weight}, {"l.bias", bias}});
  weights.set_trainable(true);
  const Linear linear(weights, "l", 8, 4);
  const at::Tensor x = repeatable_randn({3, 4});
  linear(x).sum().backward();
  EXPECT_TRUE(weight.grad().defined());
  const at::NoGradGuard no_grad;
  weight.mul_(2);
  EXPECT_LT(relative_error(linear(x), at::linear(x, weight, bias)), 1e-6);
}

}  // namespace
}  // namespace rushes::nn
