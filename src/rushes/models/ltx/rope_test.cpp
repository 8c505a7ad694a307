#include "rushes/models/ltx/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

TransformerConfig of_width(int64_t dim) {
  TransformerConfig config;
  config.num_attention_heads = 1;
  config.attention_head_dim = dim;
  return config;
}

TEST(RopeTable, has_angles_of_time_row_and_column_in_turns_behind_what_does_not_turn) {
  const LatentGrid grid{3, 2, 5};
  const std::array<double, 3> scale{0.32, 32, 32};
  for (const int64_t dim : {32, 66, 100, 24}) {
    SCOPED_TRACE(dim);
    const RopeTable table = rope_table(of_width(dim), grid, scale);
    ASSERT_EQ(table.cos.sizes(), at::IntArrayRef({grid.tokens(), dim}));
    const int64_t n = dim / 6, rest = dim % 6, token = (2 * 2 + 1) * 5 + 3;  // frame 2, row 1, column 3
    const double place[] = {2 * 0.32 / 20, 1 * 32.0 / 2048, 3 * 32.0 / 2048};
    for (int64_t column = 0; column < dim; ++column) {
      double angle = 0;
      if (column >= rest) {
        const int64_t pair = (column - rest) / 2, j = pair / 3;
        angle = std::pow(10000.0, static_cast<double>(j) / static_cast<double>(n - 1)) * M_PI / 2 *
                (2 * place[pair % 3] - 1);
      }
      // Of the largest frequency float32 leaves three digits.
      EXPECT_NEAR(table.cos[token][column].item<double>(), std::cos(angle), 4e-3) << column;
      EXPECT_NEAR(table.sin[token][column].item<double>(), std::sin(angle), 4e-3) << column;
    }
  }
}

TEST(RopeTable, playback_of_half_the_rate_doubles_the_time) {
  const VaeConfig vae;
  EXPECT_DOUBLE_EQ(rope_scale(vae, 25)[0], 0.32);
  EXPECT_DOUBLE_EQ(rope_scale(vae, 12.5)[0], 0.64);
  EXPECT_DOUBLE_EQ(rope_scale(vae, 25)[2], 32);
}

TEST(Rotate, turns_neighbouring_values) {
  const RopeTable quarter{at::zeros({1, 4}), at::ones({1, 4}), {}};
  const at::Tensor x = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({1, 1, 4});
  EXPECT_TRUE(at::equal(rotate(x, quarter).flatten(), at::tensor({-2.0f, 1.0f, -4.0f, 3.0f})));
}

}  // namespace
}  // namespace rushes::ltx
