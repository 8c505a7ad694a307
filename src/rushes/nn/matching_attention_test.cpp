#include "rushes/nn/matching_attention.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/nn/measure.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

struct Shape {
  const char* name;
  int64_t B, source, L, M, N, D;
};
const Shape kShapes[] = {{"one of everything", 1, 1, 1, 1, 1, 2},
                         {"odd sizes", 2, 2, 7, 5, 3, 20},
                         {"one source for a batch", 3, 1, 50, 64, 2, 8},
                         {"a source for each sample", 2, 2, 64, 64, 2, 16},
                         {"more keys than a task's means hold", 1, 1, 20, 12'000, 2, 4},
                         {"the published finest level, cut", 1, 1, 100, 4096, 8, 16}};

at::Tensor random(int64_t B, int64_t L, int64_t N, int64_t D) { return repeatable_randn({B, L, N, D}); }

Matched in_double(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return stock_matching_attention(q.to(at::kDouble), k.to(at::kDouble), v.to(at::kDouble));
}

TEST(MatchingAttention, equals_the_formula_in_float64_and_finds_its_best_keys) {
  for (const Shape& s : kShapes) {
    SCOPED_TRACE(s.name);
    const at::Tensor q = 3 * random(s.B, s.L, s.N, s.D), k = random(s.source, s.M, s.N, s.D),
                     v = random(s.source, s.M, s.N, s.D);
    const Matched got = matching_attention(q, k, v), wanted = in_double(q, k, v);
    EXPECT_LT(relative_error(got.out, wanted.out), 3e-6);
    EXPECT_LT(relative_error(got.weight, wanted.weight), 3e-6);
    EXPECT_TRUE(at::equal(got.best, wanted.best));
  }
}

TEST(MatchingAttention, in_bfloat16_rounds_only_what_it_returns) {
  const Shape& s = kShapes[3];
  const auto half = [](const at::Tensor& x) { return x.to(at::kBFloat16); };
  const at::Tensor q = half(random(s.B, s.L, s.N, s.D)), k = half(random(s.source, s.M, s.N, s.D)),
                   v = half(random(s.source, s.M, s.N, s.D));
  const Matched got = matching_attention(q, k, v), wanted = in_double(q, k, v);
  EXPECT_EQ(got.out.scalar_type(), at::kBFloat16);
  EXPECT_LT(relative_error(got.out, wanted.out), 4e-3);
  EXPECT_LT(relative_error(got.weight, wanted.weight), 3e-6);
  EXPECT_TRUE(at::equal(got.best, wanted.best));
}

TEST(MatchingAttention, of_equal_keys_the_first_is_the_best) {
  const at::Tensor q = random(1, 9, 2, 8), k = random(1, 1, 2, 8).repeat({1, 40, 1, 1}), v = random(1, 40, 2, 8);
  const Matched got = matching_attention(q, k, v);
  EXPECT_EQ(got.best.max().item<int64_t>(), 0);
  EXPECT_TRUE(at::allclose(got.weight, at::full({1, 9}, 1.0 / 40)));
}

TEST(MatchingAttention, heads_may_lie_apart_in_memory) {
  const at::Tensor wide = random(2, 30, 4, 24);
  const at::Tensor q = wide.narrow(3, 0, 8), k = wide.narrow(3, 8, 8), v = wide.narrow(3, 16, 8);
  const Matched got = matching_attention(q, k, v), wanted = in_double(q, k, v);
  EXPECT_LT(relative_error(got.out, wanted.out), 3e-6);
  EXPECT_TRUE(at::equal(got.best, wanted.best));
}

TEST(MatchingAttention, gradients_pass_through_it) {
  const at::Tensor q = random(1, 4, 1, 8).requires_grad_(true), k = random(1, 4, 1, 8), v = random(1, 4, 1, 8);
  matching_attention(q, k, v).out.sum().backward();
  EXPECT_GT(q.grad().abs().max().item<float>(), 0);
}

TEST(MatchingAttention, shapes_that_do_not_fit_are_refused) {
  EXPECT_THROW(matching_attention(random(3, 4, 1, 8), random(2, 4, 1, 8), random(2, 4, 1, 8)), Error);
  EXPECT_THROW(matching_attention(random(1, 4, 2, 8), random(1, 4, 1, 8), random(1, 4, 1, 8)), Error);
  EXPECT_THROW(matching_attention(random(1, 4, 1, 8), random(1, 0, 1, 8), random(1, 0, 1, 8)), Error);
}

}  // namespace
}  // namespace rushes::nn
