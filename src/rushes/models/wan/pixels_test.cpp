#include "rushes/models/wan/pixels.h"

#include <gtest/gtest.h>

#include <limits>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

TEST(Pixels, both_formulas_truncate_and_clamp) {
  const at::Tensor x = at::tensor({-5.0f, -1.0f, -0.999f, 0.0f, 0.5f, 0.9999f, 1.0f, 7.0f});
  const at::Tensor wanted = at::tensor({0, 0, 0, 127, 191, 254, 255, 255}, at::kByte);
  EXPECT_TRUE(at::equal(to_uint8(x, PixelFormula::unit), wanted));
  EXPECT_TRUE(at::equal(to_uint8(x, PixelFormula::symmetric), wanted));
}

TEST(Pixels, values_that_are_no_numbers_become_black) {
  const float inf = std::numeric_limits<float>::infinity();
  const at::Tensor x = at::tensor({std::numeric_limits<float>::quiet_NaN(), inf, -inf});
  for (const auto formula : {PixelFormula::unit, PixelFormula::symmetric})
    EXPECT_TRUE(at::equal(to_uint8(x, formula), at::tensor({0, 255, 0}, at::kByte)));
}

TEST(Pixels, frames_become_rows_of_rgb_whatever_their_layout_in_memory) {
  const at::Tensor planes = at::rand({2, 3, 5, 7}) * 2.4 - 1.2;
  const at::Tensor wanted = to_uint8(planes).permute({0, 2, 3, 1}).contiguous();
  EXPECT_TRUE(at::equal(frames_to_uint8(planes), wanted));
  EXPECT_TRUE(at::equal(frames_to_uint8(planes.contiguous(at::MemoryFormat::ChannelsLast)), wanted));
  EXPECT_TRUE(frames_to_uint8(planes).is_contiguous());
}

TEST(Pixels, pictures_of_a_wrong_kind_are_refused) {
  EXPECT_THROW(image_to_frame(at::zeros({4, 4}, at::kByte), 2, 2), Error);
}

}  // namespace
}  // namespace rushes::wan
