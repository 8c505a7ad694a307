#include "rushes/nn/window_attention.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/nn/measure.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {
namespace {

struct Shape {
  const char* name;
  int64_t B, S, C, N;
  Windows windows;
};
const Shape kShapes[] = {{"one cell", 1, 1, 2, 1, {1, 0}},
                         {"one window is the map", 2, 8, 8, 2, {8, 0}},
                         {"rows of windows", 1, 32, 16, 2, {8, 0}},
                         {"shifted", 2, 32, 16, 2, {8, 4}},
                         {"odd windows and heads", 1, 15, 9, 3, {5, 2}},
                         {"wide heads", 1, 12, 40, 2, {6, 3}}};

struct Inputs {
  at::Tensor q, k, v, bias;
};

Inputs random(const Shape& s) {
  const auto map = [&] { return repeatable_randn({s.B, s.S, s.S, s.C}); };
  const int64_t cells = s.windows.side * s.windows.side;
  return {3 * map(), map(), map(), repeatable_randn({s.N, cells, cells})};
}

at::Tensor in_double(const Inputs& in, const Windows& windows) {
  return stock_window_attention(in.q.to(at::kDouble), in.k.to(at::kDouble), in.v.to(at::kDouble),
                                in.bias.to(at::kDouble), windows);
}

TEST(WindowAttention, equals_the_formula_in_float64) {
  for (const Shape& s : kShapes) {
    SCOPED_TRACE(s.name);
    const Inputs in = random(s);
    EXPECT_LT(relative_error(window_attention(in.q, in.k, in.v, in.bias, s.windows), in_double(in, s.windows)), 3e-6);
  }
}

TEST(WindowAttention, in_bfloat16_rounds_only_what_it_returns) {
  Inputs in = random(kShapes[3]);
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(at::kBFloat16);
  const at::Tensor got = window_attention(in.q, in.k, in.v, in.bias, kShapes[3].windows);
  EXPECT_EQ(got.scalar_type(), at::kBFloat16);
  EXPECT_LT(relative_error(got, in_double(in, kShapes[3].windows)), 4e-3);
}

TEST(WindowAttention, a_cell_sees_its_window_and_nothing_beyond_the_edge_of_the_map) {
  // Windows of 4 from cell 2 on, in a map of 8: rows 6, 7 and 0, 1 share windows, and must not see each other.
  const Shape s{"", 1, 8, 4, 1, {4, 2}};
  Inputs in = random(s);
  const at::Tensor before = window_attention(in.q, in.k, in.v, in.bias, s.windows);
  in.v[0][0].fill_(7.0f);  // values of the first row of cells
  const at::Tensor changed = (window_attention(in.q, in.k, in.v, in.bias, s.windows) - before).abs().amax({0, 2, 3});
  for (int64_t row = 0; row < 8; ++row) EXPECT_EQ(changed[row].item<float>() > 1e-6f, row < 2) << row;
}

TEST(WindowAttention, gradients_reach_the_bias) {
  Inputs in = random(kShapes[3]);
  in.bias.requires_grad_(true);
  window_attention(in.q, in.k, in.v, in.bias, kShapes[3].windows).sum().backward();
  EXPECT_GT(in.bias.grad().abs().max().item<float>(), 0);
}

TEST(WindowAttention, windows_that_do_not_tile_the_map_are_refused) {
  const Inputs in = random(kShapes[3]);
  for (const Windows& windows : {Windows{7, 0}, Windows{0, 0}, Windows{8, 8}, Windows{8, -1}})
    EXPECT_THROW(window_attention(in.q, in.k, in.v, in.bias, windows), Error) << windows.side << " " << windows.shift;
}

}  // namespace
}  // namespace rushes::nn
