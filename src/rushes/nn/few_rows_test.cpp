// What serves a few rows is what serves many: linear layers, groups of them, gated MLPs, norms, rotation, attention of
// one query.
#include <gtest/gtest.h>

#include "rushes/nn/gated_mlp.h"
#include "rushes/nn/grouped_attention.h"
#include "rushes/nn/linear_group.h"
#include "rushes/nn/measure.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/rope_halves.h"
#include "rushes/nn/stock_operators.h"

namespace rushes::nn {
namespace {

struct Sizes {
  int64_t rows, in, out;
};
// Odd ones too: less than a step, one more than a step, not a multiple of the columns taken together.
constexpr Sizes kSizes[] = {{1, 1, 1},   {1, 7, 3},    {1, 16, 4},     {2, 17, 9},
                            {3, 48, 31}, {4, 100, 67}, {1, 2048, 515}, {5, 33, 6}};

double bound(at::ScalarType dtype) { return dtype == at::kFloat ? 2e-6 : 4e-3; }  // half a step of rounding

Linear layer(int64_t out, int64_t in, bool bias, at::ScalarType dtype) {
  return {(repeatable_randn({out, in}) / std::sqrt(static_cast<double>(in))).to(dtype),
          bias ? repeatable_randn({out}).to(dtype) : at::Tensor()};
}

at::Tensor exact(const Linear& layer, const at::Tensor& x) {
  const at::Tensor y = at::matmul(x.to(at::kDouble), layer.weight().to(at::kDouble).t());
  return layer.bias().defined() ? y + layer.bias().to(at::kDouble) : y;
}

template <typename Check>
void for_all(const Check& check) {
  const c10::InferenceMode inference;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const Sizes& sizes : kSizes) {
      SCOPED_TRACE(testing::Message() << sizes.rows << " x " << sizes.in << " to " << sizes.out << ", "
                                      << toString(dtype));
      check(sizes, dtype);
    }
}

TEST(FewRows, a_layer_is_its_product_with_and_without_bias) {
  for_all([](const Sizes& sizes, at::ScalarType dtype) {
    const at::Tensor x = repeatable_randn({1, sizes.rows, sizes.in}).to(dtype);
    for (const bool bias : {true, false}) {
      const Linear one = layer(sizes.out, sizes.in, bias, dtype);
      EXPECT_LT(relative_error(one(x), exact(one, x)), bound(dtype));
    }
  });
}

TEST(FewRows, a_group_is_its_layers) {
  for_all([](const Sizes& sizes, at::ScalarType dtype) {
    const at::Tensor x = repeatable_randn({sizes.rows, sizes.in}).to(dtype);
    const LinearGroup group({layer(sizes.out, sizes.in, true, dtype), layer(3, sizes.in, false, dtype),
                             layer(2 * sizes.out + 1, sizes.in, true, dtype)});
    const auto got = group(x);
    ASSERT_EQ(got.size(), 3u);
    for (size_t i = 0; i < 3; ++i) EXPECT_LT(relative_error(got[i], exact(group.layers()[i], x)), bound(dtype));
  });
}

TEST(FewRows, a_row_becomes_the_same_whatever_rows_it_comes_with) {
  for_all([](const Sizes& sizes, at::ScalarType dtype) {
    if (sizes.rows > 4) return;
    const at::Tensor x = repeatable_randn({sizes.rows, sizes.in}).to(dtype);
    const LinearGroup group({layer(sizes.out, sizes.in, true, dtype)});
    const at::Tensor all = group(x)[0];
    for (int64_t row = 0; row < sizes.rows; ++row)
      EXPECT_TRUE(at::equal(group(x.narrow(0, row, 1))[0], all.narrow(0, row, 1)));
  });
}

TEST(FewRows, a_gated_mlp_is_its_formula) {
  for_all([](const Sizes& sizes, at::ScalarType dtype) {
    for (const Bias bias : {Bias::none, Bias::given}) {
      tensor::WeightMap weights;
      for (const auto& [key, out, in] : {std::tuple{"gate_proj", sizes.out, sizes.in},
                                         {"up_proj", sizes.out, sizes.in},
                                         {"down_proj", sizes.in, sizes.out}}) {
        const Linear one = layer(out, in, true, dtype);
        weights.set(std::string(key) + ".weight", one.weight());
        weights.set(std::string(key) + ".bias", one.bias());
      }
      const GatedMlp mlp(weights, sizes.in, sizes.out, bias);
      const at::Tensor x = repeatable_randn({sizes.rows, sizes.in}).to(dtype);
      const at::Tensor inner = at::silu(exact(mlp.gate(), x)) * exact(mlp.up(), x);
      EXPECT_LT(relative_error(mlp(x), exact(mlp.down(), inner)), 3 * bound(dtype));
    }
  });
}

TEST(FewRows, the_norm_is_its_formula) {
  for_all([](const Sizes& sizes, at::ScalarType dtype) {
    const at::Tensor x = repeatable_randn({sizes.rows, sizes.in}).to(dtype) * 3,
                     weight = repeatable_randn({sizes.in}).to(dtype);
    const at::Tensor wide = x.to(at::kDouble);
    const at::Tensor wanted = wide * at::rsqrt(at::mean(wide * wide, {-1}, true) + 1e-6) * weight.to(at::kDouble);
    EXPECT_LT(relative_error(rms_norm(x, weight, 1e-6), wanted), 2 * bound(dtype));
    const StockOperators stock;
    EXPECT_LT(relative_error(rms_norm(x, weight, 1e-6), wanted), 2 * bound(dtype));
  });
}

TEST(RotateHalves, one_pass_is_what_operators_compute_and_reaches_no_other_values) {
  const c10::InferenceMode inference;
  for (const int64_t D : {4, 16, 20, 80, 128}) {
    const at::Tensor joined = repeatable_randn({2, 5, 3, 2, D});
    const at::Tensor angles = repeatable_randn({2, 5, D / 2});
    const at::Tensor cos = at::cos(angles), sin = at::sin(angles);
    const at::Tensor other = joined.select(2, 1).clone();
    const double length = joined.select(2, 0).norm().item<double>();
    at::Tensor wanted;
    {
      const StockOperators stock;
      wanted = rotate_halves(joined.select(2, 0).clone(), cos, sin);
    }
    EXPECT_LT(relative_error(rotate_halves(joined.select(2, 0), cos, sin), wanted), 1e-6) << D;
    EXPECT_TRUE(at::equal(joined.select(2, 1), other));
    EXPECT_NEAR(wanted.norm().item<double>(), length, 1e-4 * length);  // it turns, and changes no length
  }
}

/// Query by query, by the definition.
at::Tensor slow_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t L = q.size(1), M = k.size(1), N = q.size(2), each = N / k.size(2);
  const at::Tensor out = at::empty(q.sizes(), at::TensorOptions(at::kDouble));
  for (int64_t i = 0; i < L; ++i)
    for (int64_t n = 0; n < N; ++n) {
      const auto seen = [&](const at::Tensor& x) {
        return x.select(2, n / each).narrow(1, 0, M - L + i + 1).to(at::kDouble);
      };
      const at::Tensor query = q.select(2, n).narrow(1, i, 1).to(at::kDouble);  // [B, 1, D]
      const at::Tensor weights = at::softmax(at::bmm(query, seen(k).transpose(1, 2)) / std::sqrt(q.size(3)), -1);
      out.select(2, n).narrow(1, i, 1).copy_(at::bmm(weights, seen(v)));
    }
  return out;
}

TEST(CausalAttention, is_its_definition_for_one_query_and_many_with_and_without_a_past) {
  const c10::InferenceMode inference;
  struct Shape {
    int64_t B, L, M, N, G, D;
  };
  for (const auto& [B, L, M, N, G, D] : {Shape{1, 1, 1, 3, 1, 16},
                                         {1, 1, 37, 4, 2, 20},
                                         {2, 1, 9, 6, 3, 5},
                                         {1, 6, 6, 4, 2, 16},
                                         {2, 3, 11, 2, 2, 8},
                                         {1, 1, 300, 16, 2, 128}})
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor q = repeatable_randn({B, L, N, D}).to(dtype), k = repeatable_randn({B, M, G, D}).to(dtype),
                       v = repeatable_randn({B, M, G, D}).to(dtype);
      EXPECT_LT(relative_error(causal_attention(q, k, v), slow_attention(q, k, v)), dtype == at::kFloat ? 2e-6 : 1e-2)
          << L << " of " << M << ", " << N << " heads of " << G << ", " << D << toString(dtype);
    }
}

TEST(CausalAttention, later_tokens_change_nothing_before_them) {
  const c10::InferenceMode inference;
  const at::Tensor q = repeatable_randn({1, 8, 4, 16}), k = repeatable_randn({1, 8, 2, 16}),
                   v = repeatable_randn({1, 8, 2, 16});
  const at::Tensor all = causal_attention(q, k, v);
  const auto first = [](const at::Tensor& x) { return x.narrow(1, 0, 5); };
  EXPECT_LT(relative_error(causal_attention(first(q), first(k), first(v)), first(all)), 1e-6);
}

}  // namespace
}  // namespace rushes::nn
