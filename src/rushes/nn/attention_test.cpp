#include "rushes/nn/attention.h"

#include <gtest/gtest.h>

#include "rushes/base/instruction_set.h"
#include "rushes/nn/measure.h"
#include "rushes/tensor/kernels/cpu/flash_attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

struct Shape {
  const char* name;
  int64_t B, L, M, N, D;
};
const Shape kShapes[] = {{"one of everything", 1, 1, 1, 1, 2},
                         {"golden block", 1, 18, 36, 3, 16},
                         {"odd head", 2, 7, 5, 2, 20},
                         {"several key blocks", 1, 50, 777, 2, 64},
                         {"many query blocks", 2, 800, 33, 1, 8},
                         {"Wan head", 1, 200, 600, 2, 128},
                         {"key at a block's border", 1, 13, 513, 1, 128}};

at::Tensor random(int64_t B, int64_t L, int64_t N, int64_t D, double scale = 1) {
  return repeatable_randn({B, L, N, D}) * scale;
}

at::Tensor in_double(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return stock_attention(q.to(at::kDouble), k.to(at::kDouble), v.to(at::kDouble));
}

TEST(Attention, in_float32_equals_the_formula_in_float64) {
  for (const Shape& s : kShapes) {
    SCOPED_TRACE(s.name);
    const at::Tensor q = random(s.B, s.L, s.N, s.D, 3), k = random(s.B, s.M, s.N, s.D), v = random(s.B, s.M, s.N, s.D);
    EXPECT_LT(relative_error(attention(q, k, v), in_double(q, k, v)), 2e-6);
  }
}

TEST(Attention, in_bfloat16_errs_no_more_than_the_stock_operator) {
  for (const Shape& s : kShapes) {
    SCOPED_TRACE(s.name);
    const auto half = [](const at::Tensor& x) { return x.to(at::kBFloat16); };
    const at::Tensor q = half(random(s.B, s.L, s.N, s.D)), k = half(random(s.B, s.M, s.N, s.D)),
                     v = half(random(s.B, s.M, s.N, s.D));
    EXPECT_LT(relative_error(attention(q, k, v), in_double(q, k, v)), 4e-3);
  }
}

TEST(Attention, in_bfloat16_products_equals_the_formula) {
  if (!tensor::kernels::has_bf16_products()) GTEST_SKIP() << "not with " << name(instruction_set());
  using namespace tensor::kernels;
  for (const Shape& s : kShapes) {
    if (s.D % kLanes != 0) continue;
    SCOPED_TRACE(s.name);
    const at::Tensor q = random(s.B, s.L, s.N, s.D).to(at::kBFloat16), k = random(s.B, s.M, s.N, s.D).to(at::kBFloat16),
                     v = random(s.B, s.M, s.N, s.D).to(at::kBFloat16), out = at::empty_like(q);
    const auto view = [](const at::Tensor& x) {
      return HeadsView<const Bf16>{reinterpret_cast<const Bf16*>(x.const_data_ptr()), x.stride(0), x.stride(1),
                                   x.stride(2)};
    };
    flash_attention_bf16(
        {s.B, s.N, s.L, s.M, s.D}, view(q), view(k), view(v),
        {reinterpret_cast<Bf16*>(out.mutable_data_ptr()), out.stride(0), out.stride(1), out.stride(2)});
    EXPECT_LT(relative_error(out, in_double(q, k, v)), 6e-3);
  }
}

TEST(Attention, large_scores_do_not_overflow) {
  const at::Tensor q = random(1, 20, 1, 16, 100), k = random(1, 300, 1, 16, 100), v = random(1, 300, 1, 16);
  const at::Tensor out = attention(q, k, v);
  EXPECT_TRUE(at::isfinite(out).all().item<bool>());
  EXPECT_LT(relative_error(out, in_double(q, k, v)), 1e-3);
}

TEST(Attention, takes_views_of_a_ring_and_of_fused_projections) {
  const at::Tensor fused = random(2, 30, 9, 16), ring = random(2, 100, 3, 16);
  const at::Tensor q = fused.narrow(2, 0, 3), k = ring.narrow(1, 10, 60), v = ring.narrow(1, 40, 60);
  EXPECT_LT(relative_error(attention(q, k, v), in_double(q, k, v)), 2e-6);
}

TEST(Attention, is_differentiable_where_gradients_are_wanted) {
  at::Tensor q = random(1, 8, 2, 16).requires_grad_(true);
  attention(q, random(1, 9, 2, 16), random(1, 9, 2, 16)).square().sum().backward();
  EXPECT_GT(q.grad().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace rushes::nn
